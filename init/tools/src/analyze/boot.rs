//! How long the boot took, as a whole and unit by unit.

use std::io::Write;

use init_api::TimeSpan;
use init_client::{Manager, names};

use super::{UnitTimes, unit_times};
use crate::props::Props;
use crate::systemctl::Failure;

fn span(micros: u64) -> String {
    TimeSpan::from_micros(micros).format(1000)
}

pub(super) fn time(out: &mut dyn Write) -> Result<u8, Failure> {
    let mut manager = Manager::connect()?;
    let props = Props(manager.all_properties(names::MANAGER_PATH, names::MANAGER)?);
    write!(out, "{}", sentence(&props)?)?;
    if let Ok(target) = manager.property(
        &names::unit_path("default.target"),
        names::UNIT,
        "ActiveEnterTimestampMonotonic",
    ) {
        let name = manager.property(&names::unit_path("default.target"), names::UNIT, "Id")?;
        let userspace = props.number("UserspaceTimestampMonotonic").unwrap_or(0);
        if let Some(reached) = target.as_u64().filter(|t| *t > userspace) {
            let name = name.as_str().unwrap_or("default.target").to_owned();
            writeln!(
                out,
                "{name} reached after {} in userspace.",
                span(reached - userspace)
            )?;
        }
    }
    Ok(0)
}

/// `Startup finished in 1.2s (kernel) + 0.5s (userspace) = 1.7s.`
fn sentence(props: &Props) -> Result<String, Failure> {
    let time = |name: &str| props.time(name);
    let Some(finish) = time("FinishTimestampMonotonic") else {
        return Err(Failure::new(
            "Bootup is not yet finished (org.freedesktop.systemd1.Manager.FinishTimestampMonotonic=0).\nPlease try again later.\nHint: Use 'systemctl list-jobs' to see active jobs",
        ));
    };
    let userspace = time("UserspaceTimestampMonotonic").unwrap_or(0);
    let initrd = time("InitRDTimestampMonotonic");
    let mut parts = Vec::new();
    match initrd {
        Some(initrd) => {
            parts.push(format!("{} (kernel)", span(initrd)));
            parts.push(format!(
                "{} (initrd)",
                span(userspace.saturating_sub(initrd))
            ));
        }
        None => parts.push(format!("{} (kernel)", span(userspace))),
    }
    parts.push(format!(
        "{} (userspace)",
        span(finish.saturating_sub(userspace))
    ));
    Ok(format!(
        "Startup finished in {} = {} \n",
        parts.join(" + "),
        span(finish)
    ))
}

pub(super) fn blame(out: &mut dyn Write) -> Result<u8, Failure> {
    let mut manager = Manager::connect()?;
    let times = unit_times(&mut manager)?;
    write!(out, "{}", blame_text(times))?;
    Ok(0)
}

fn blame_text(mut times: Vec<UnitTimes>) -> String {
    times.retain(|unit| unit.took() > 0);
    times.sort_by_key(|unit| std::cmp::Reverse(unit.took()));
    let width = times
        .iter()
        .map(|unit| span(unit.took()).len())
        .max()
        .unwrap_or(0);
    times
        .iter()
        .map(|unit| format!("{:>width$} {}\n", span(unit.took()), unit.name))
        .collect()
}

/// A picture of the boot: one bar for each unit, as SVG.
pub(super) fn plot(out: &mut dyn Write) -> Result<u8, Failure> {
    let mut manager = Manager::connect()?;
    let mut times = unit_times(&mut manager)?;
    times.sort_by_key(|unit| unit.began);
    let end = times.iter().map(|unit| unit.active).max().unwrap_or(0);
    // A tenth of a second is twenty pixels wide.
    let x = |micros: u64| micros / 5000;
    let height = 40 + 20 * times.len();
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">",
        x(end) + 400
    )?;
    for (row, unit) in times.iter().enumerate() {
        let y = 20 + 20 * row;
        let name = unit.name.replace('&', "&amp;").replace('<', "&lt;");
        writeln!(
            out,
            "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"14\" fill=\"#d33\"/><text x=\"{}\" y=\"{}\">{name} ({})</text>",
            x(unit.began),
            x(unit.took()).max(1),
            x(unit.active) + 5,
            y + 12,
            span(unit.took())
        )?;
    }
    writeln!(out, "</svg>")?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_the_phases_and_their_sum() {
        let props = Props(vec![
            ("FinishTimestampMonotonic".into(), 1_700_000_u64.into()),
            ("UserspaceTimestampMonotonic".into(), 1_200_000_u64.into()),
        ]);
        assert_eq!(
            sentence(&props).unwrap(),
            "Startup finished in 1.200s (kernel) + 500ms (userspace) = 1.700s \n"
        );
        assert!(
            sentence(&Props(vec![]))
                .unwrap_err()
                .text
                .contains("not yet finished")
        );
    }

    #[test]
    fn the_slowest_comes_first() {
        let unit = |name: &str, began, active| UnitTimes {
            name: name.into(),
            began,
            active,
        };
        let text = blame_text(vec![
            unit("a", 0, 5000),
            unit("b", 0, 1_500_000),
            unit("c", 7, 7),
        ]);
        assert_eq!(text, "1.500s b\n   5ms a\n");
    }
}
