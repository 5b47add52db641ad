//! A base that several disks stand on: a qcow2 image or a raw file, opened for reading only.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::overlay::is_qcow2;
use super::qcow2::Qcow2;
use crate::error::HarnessError;

/// A disk that is only read.
#[derive(Debug)]
pub(crate) struct Base {
    size: u64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Raw(File),
    Qcow2(Mutex<Qcow2>),
}

impl Base {
    pub(crate) fn open(path: &Path) -> Result<Base, HarnessError> {
        if is_qcow2(path)? {
            let image = Qcow2::open(path)?;
            return Ok(Base {
                size: image.size(),
                form: Form::Qcow2(Mutex::new(image)),
            });
        }
        let what = || format!("read {}", path.display());
        let file = File::open(path).map_err(HarnessError::io(what()))?;
        let size = file.metadata().map_err(HarnessError::io(what()))?.len();
        Ok(Base {
            size,
            form: Form::Raw(file),
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Fills the room; beyond the base's end are zeroes.
    pub(crate) fn read_at(&self, room: &mut [u8], at: u64) -> io::Result<()> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let (inside, beyond) = room.split_at_mut(left.min(room.len()));
        beyond.fill(0);
        match &self.form {
            Form::Raw(file) => file.read_exact_at(inside, at),
            Form::Qcow2(image) => {
                let mut image = image.lock().unwrap_or_else(PoisonError::into_inner);
                image.seek(SeekFrom::Start(at))?;
                image.read_exact(inside)
            }
        }
    }
}
