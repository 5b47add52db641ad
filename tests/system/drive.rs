//! Config drives in both forms, with and without the metadata service. (H20, I19, C-85)

use qemu_harness::{DriveForm, Lab, Patience};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;

const USER_DATA: &str =
    "#cloud-config\nwrite_files:\n  - path: /etc/from-user-data\n    content: yes it is\n";

#[test]
fn an_iso_on_a_cd_rom_is_taken_before_the_service() {
    let lab = ok(Lab::new("iso"));
    let machine = ok(vm::node(&lab, "node1")
        .user_data(USER_DATA)
        .config_drive(DriveForm::Iso)
        .start(&lab));
    machine
        .metadata()
        .set_user_data(b"#cloud-config\nhostname: wrong\n");
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(&machine);
    checks.is("hostname", "node1");
    checks.soon("cat /etc/from-user-data", "yes it is");
    checks.works("test -b /dev/disk/by-label/config-2");
    checks.finish();
}

#[test]
fn a_vfat_drive_is_enough_without_any_service() {
    let lab = ok(Lab::new("vfat"));
    let builder = vm::node(&lab, "node1")
        .user_data(USER_DATA)
        .config_drive(DriveForm::Vfat)
        .without_metadata();
    let machine = ok(builder.start(&lab));
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(&machine);
    checks.is("hostname", "node1");
    checks.soon("cat /etc/from-user-data", "yes it is");
    checks.works("test -b /dev/disk/by-label/config-2");
    checks.finish();
}
