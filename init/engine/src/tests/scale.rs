//! Three thousand units at once.

use super::bench::{Bench, TERM};

#[test]
fn three_thousand_units_start_stop_and_are_forgotten() {
    let wants: String = (0..3000).map(|n| format!("u@{n}.service ")).collect();
    let mut bench = Bench::new(&format!(
        "=== all.target\n[Unit]\nWants={wants}\n=== u@.service\n[Unit]\nPartOf=all.target\n[Service]\nExecStart=/bin/sleep %i\n"
    ));
    bench.start("all.target");
    assert_eq!(bench.state("u@2999.service"), "active (running)");
    bench.stop("all.target");
    for n in 0..3000 {
        bench.main_ends(&format!("u@{n}.service"), TERM);
    }
    bench.collect();
    assert_eq!(bench.state("u@0.service"), "forgotten");
    assert_eq!(bench.engine.jobs().count(), 0);
}

#[test]
fn a_unit_without_its_settings_takes_little_memory() {
    assert!(size_of::<crate::unit::Unit>() <= 512);
    assert!(size_of::<crate::service::Service>() <= 384);
}
