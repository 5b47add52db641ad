//! Where user-data and meta-data come from, in a fixed order: kernel command line, config drive,
//! metadata service, a file on the disk. The first that exists gives everything; later
//! ones only fill missing addresses.

pub(crate) mod drive;
pub(crate) mod local;
pub(crate) mod service;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::instance::Instance;
use crate::log;

/// Longest search for a source.
const SEARCH: Duration = Duration::from_secs(300);
/// Longest wait for the service when a drive answered everything but an address.
const FILL: Duration = Duration::from_secs(10);

/// Why there is nothing to apply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot read {path}")]
    Read {
        path: String,
        source: std::io::Error,
    },
    #[error("no data source answered within {0:?}: is there a config drive or a metadata service?")]
    Nothing(Duration),
    #[error("{0} has neither openstack/latest nor ec2/latest")]
    NoDrive(String),
    #[error("no such data source on this machine")]
    Absent,
}

/// Finds the source; `early` is told what is known as soon as it is, before the user-data.
///
/// # Errors
/// When nothing answers in time or a named source cannot be read.
pub(crate) fn find(
    arguments: &Arguments,
    early: &mut dyn FnMut(&Instance),
) -> Result<Instance, SourceError> {
    let limit = arguments.timeout.unwrap_or(SEARCH);
    let deadline = Instant::now() + limit;
    let url = arguments.url.clone().or_else(|| {
        arguments
            .proc_cmdline
            .then(|| local::cmdline_url(&arguments.root()))
            .flatten()
    });
    if let Some(url) = url {
        let user_data = service::fetch_url(&url, deadline).ok_or(SourceError::Nothing(limit))?;
        return Ok(Instance {
            source: url,
            user_data,
            ..Instance::default()
        });
    }
    if let Some(folder) = &arguments.config_drive {
        let instance = drive::read(folder)
            .ok_or_else(|| SourceError::NoDrive(folder.display().to_string()))?;
        early(&instance);
        return Ok(instance);
    }
    if let Some(instance) = drive_device(arguments) {
        early(&instance);
        return Ok(instance);
    }
    let optional = |path: &Path| arguments.file_optional && !path.exists();
    let file = arguments.file.as_ref().filter(|path| !optional(path));
    if arguments.openstack.is_some() || arguments.ec2.is_some() {
        // A file is a source of its own: it does not wait for a service that may never come.
        let search = if file.is_some() {
            Instant::now() + FILL
        } else {
            deadline
        };
        let tree = match (&arguments.openstack, &arguments.ec2) {
            (Some(url), _) => service::Tree::OpenStack(url.clone()),
            (None, Some(url)) => service::Tree::Ec2(url.clone()),
            (None, None) => return Err(SourceError::Absent),
        };
        let mut late_drive = || drive_device(arguments);
        let late_drive: Option<&mut dyn FnMut() -> Option<Instance>> = if arguments.find_drive {
            Some(&mut late_drive)
        } else {
            None
        };
        if let Some(instance) = service::find(&tree, search, early, late_drive) {
            return Ok(instance);
        }
    }
    match file {
        Some(path) => {
            let read = fs::read(path);
            let user_data = read.map_err(|source| SourceError::Read {
                path: path.display().to_string(),
                source,
            })?;
            let mut instance = Instance {
                source: path.display().to_string(),
                user_data,
                ..Instance::default()
            };
            if let Some(path) = &arguments.metadata_json {
                let text = fs::read_to_string(path);
                let text = text.map_err(|source| SourceError::Read {
                    path: path.display().to_string(),
                    source,
                })?;
                instance.take_plain(&text);
            }
            Ok(instance)
        }
        None => Err(SourceError::Nothing(limit)),
    }
}

fn drive_device(arguments: &Arguments) -> Option<Instance> {
    arguments.find_drive.then(drive::find).flatten()
}

/// Fills addresses that the source did not give. `wanted` says whether the document needs
/// what the service might know.
pub(crate) fn fill_addresses(instance: &mut Instance, arguments: &Arguments, wanted: bool) {
    let looking = arguments.live() && arguments.metadata_json.is_none();
    let from_service = instance.source.starts_with("the metadata service");
    let missing = |i: &Instance| {
        i.metadata.addresses.private_ipv4.is_none() || i.metadata.addresses.public_ipv4.is_none()
    };
    if looking
        && wanted
        && !from_service
        && missing(instance)
        && let Some(url) = &arguments.openstack
    {
        log::info("asking the metadata service for addresses");
        let tree = service::Tree::OpenStack(url.clone());
        if let Some(addresses) = service::addresses(&tree, Instant::now() + FILL) {
            instance.metadata.addresses.fill(&addresses);
        }
    }
    let fixed = instance.static_address();
    let private = &mut instance.metadata.addresses.private_ipv4;
    *private = private.or(fixed);
    if looking {
        *private = private.or_else(local::default_route_address);
    }
    let environment = local::environment_addresses();
    instance.metadata.addresses.fill(&environment);
}
