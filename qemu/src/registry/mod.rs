//! A registry of container images on this host, which machines reach as a port of their gateway: what `docker run
//! busybox` and its like need without the outside world. The images are made here, from this host's Debian packages,
//! or given as the files that `docker save` writes.

mod image;
mod needs;
mod packages;
mod recipes;
mod server;
mod tar;

use std::fs;
use std::path::{Path, PathBuf};

pub use image::Image;
pub use server::Registry;

use crate::error::HarnessError;

/// The port of the gateway that leads to the registry.
pub const REGISTRY_PORT: u16 = 5000;

/// The images that are made here: busybox, redis, coreos/apache, and toolbox, which has bash and curl.
///
/// # Errors
/// When a package cannot be fetched or misses something.
pub fn own_images() -> Result<Vec<Image>, HarnessError> {
    let cache = crate::accel::Cache::folder_of_the_user().join("registry");
    let packages = recipes::ALL
        .iter()
        .flat_map(|recipe| recipe.packages)
        .copied();
    let pool = packages::Pool::of(&packages.collect(), &cache)?;
    recipes::ALL
        .iter()
        .map(|recipe| recipes::make(recipe, &pool))
        .collect()
}

/// Reads the images in a file, or in all `.tar` files of a folder.
///
/// # Errors
/// When one is no image.
pub fn images_in(path: &Path) -> Result<Vec<Image>, HarnessError> {
    let what = || format!("read {}", path.display());
    if !path.is_dir() {
        let bytes = fs::read(path).map_err(HarnessError::io(what()))?;
        let wrong = |text| HarnessError::Image {
            path: path.to_owned(),
            text,
        };
        return Image::read(&bytes).map_err(wrong);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path)
        .map_err(HarnessError::io(what()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|end| end == "tar"))
        .collect();
    files.sort();
    let images: Result<Vec<_>, _> = files.iter().map(|file| images_in(file)).collect();
    Ok(images?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "fetches packages with this host's apt"]
    fn own_images_are_complete_and_the_same_twice() {
        let digests = || -> Vec<(String, String)> {
            let images = own_images().expect("made");
            images
                .iter()
                .map(|image| (image.name().to_owned(), image.digest()))
                .collect()
        };
        let first = digests();
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["busybox", "redis", "coreos/apache", "toolbox"]);
        assert_eq!(first, digests());
    }
}
