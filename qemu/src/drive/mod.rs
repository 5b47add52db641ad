//! Config drives as Nova makes them: ISO 9660 by default, VFAT by its older option, both labelled `config-2`. Written
//! by hand, without tools or rights; the same machine gives the same bytes.

mod iso;
mod vfat;

use std::io;

use crate::metadata::{Identity, drive_files};

/// The file system of a config drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveForm {
    /// ISO 9660 with Rock Ridge, attached as a CD-ROM.
    Iso,
    /// VFAT, attached as a virtio disk.
    Vfat,
}

impl DriveForm {
    /// The drive of a machine.
    ///
    /// # Errors
    /// When its files do not fit.
    pub fn image(self, identity: &Identity) -> io::Result<Vec<u8>> {
        let files = drive_files(identity);
        match self {
            DriveForm::Iso => Ok(iso::image("config-2", &files)),
            DriveForm::Vfat => vfat::image(*b"config-2   ", &files),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_machine_gives_the_same_bytes() {
        for form in [DriveForm::Iso, DriveForm::Vfat] {
            let image = || form.image(&Identity::example()).expect("made");
            assert!(image() == image(), "{form:?}");
        }
    }
}
