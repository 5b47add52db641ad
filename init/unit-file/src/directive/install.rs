//! `[Install]`: systemd.unit(5), "`[Install]` Section Options".

use super::table;
use crate::{
    config::InstallSection,
    value::{raw_words, verbatim},
};

table! { INSTALL: InstallSection {
    "WantedBy" => [wanted_by] raw_words,
    "RequiredBy" => [required_by] raw_words,
    "UpheldBy" => [upheld_by] raw_words,
    "Alias" => [alias] raw_words,
    "Also" => [also] raw_words,
    "DefaultInstance" => [default_instance] verbatim,
} accepted {} }
