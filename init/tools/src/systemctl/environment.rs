//! The manager's environment and its few settings.

use std::io::Write;

use init_client::{Message, Value, names};

use super::{Context, Failure};

pub(super) fn run(cx: &mut Context, verb: &str) -> Result<u8, Failure> {
    let args = cx.options.args.clone();
    match verb {
        "show-environment" => {
            let value =
                cx.manager()?
                    .property(names::MANAGER_PATH, names::MANAGER, "Environment")?;
            for assignment in value.as_strings() {
                writeln!(cx.out, "{}", quote(&assignment))?;
            }
        }
        "set-environment" => call(cx, "SetEnvironment", args)?,
        "unset-environment" => call(cx, "UnsetEnvironment", args)?,
        _ => {
            let mut found = Vec::new();
            for (name, value) in std::env::vars() {
                if args.is_empty() || args.contains(&name) {
                    found.push(format!("{name}={value}"));
                }
            }
            call(cx, "SetEnvironment", found)?;
        }
    }
    Ok(0)
}

fn call(cx: &mut Context, method: &str, list: Vec<String>) -> Result<(), Failure> {
    match cx.manager()?.call(method, vec![Value::strings(list)]) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(format!(
            "Failed to set environment: {}",
            init_api::chain(&error)
        ))),
    }
}

/// A value that a shell would not take as one word is written `$'…'`, as systemctl does.
fn quote(assignment: &str) -> String {
    let Some((name, value)) = assignment.split_once('=') else {
        return assignment.to_owned();
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if value.chars().all(plain) {
        return assignment.to_owned();
    }
    let mut out = format!("{name}=$'");
    for c in value.chars() {
        match c {
            '\'' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out + "'"
}

/// `log-level` and its kin: print, or set through the properties interface.
pub(super) fn manager_setting(cx: &mut Context, verb: &str) -> Result<u8, Failure> {
    let property = match verb {
        "log-level" => "LogLevel",
        "log-target" => "LogTarget",
        _ => "ServiceWatchdogs",
    };
    let Some(value) = cx.options.args.first().cloned() else {
        let value = cx
            .manager()?
            .property(names::MANAGER_PATH, names::MANAGER, property)?;
        let text = match value {
            Value::Bool(yes) => if yes { "yes" } else { "no" }.to_owned(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        writeln!(cx.out, "{text}")?;
        return Ok(0);
    };
    let value: Value = match (property, value.as_str()) {
        ("ServiceWatchdogs", "yes" | "true" | "1" | "on") => true.into(),
        ("ServiceWatchdogs", _) => false.into(),
        (_, text) => text.into(),
    };
    let body = vec![
        names::MANAGER.into(),
        property.into(),
        Value::variant(value),
    ];
    let message = Message::call(names::MANAGER_PATH, names::PROPERTIES, "Set")
        .to(names::SERVICE)
        .with(body);
    cx.manager()?.connection().call(message)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn values_that_need_it_are_quoted_for_a_shell() {
        assert_eq!(quote("PATH=/bin:/sbin"), "PATH=/bin:/sbin");
        assert_eq!(quote("A=b c'd"), "A=$'b c\\'d'");
    }
}
