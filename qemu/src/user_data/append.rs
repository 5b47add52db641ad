//! Items put into a list of a cloud-config, in the text as its author wrote it: comments, order and odd forms stay. The
//! result is read back; a text that would mean anything else than before plus the item is left as it was.

use serde_yaml::Value;

/// Puts an item (its lines, the first with its `- `) in front of the list below these keys, which is made when it is
/// missing.
#[must_use]
pub fn append(text: &str, keys: &[&str], item: &[&str]) -> String {
    if !text.starts_with("#cloud-config") {
        return text.to_owned();
    }
    let longer = insert(text, keys, item);
    if is_exactly_longer(text, &longer, keys, item) {
        longer
    } else {
        text.to_owned()
    }
}

fn insert(text: &str, keys: &[&str], item: &[&str]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (mut from, mut to, mut indent) = (0, lines.len(), 0);
    for (depth, key) in keys.iter().enumerate() {
        let wanted = format!("{}{key}:", " ".repeat(indent));
        let Some(at) = (from..to).find(|at| is_key(&lines[*at], &wanted)) else {
            let mut new: Vec<String> = Vec::new();
            for (extra, key) in keys[depth..].iter().enumerate() {
                new.push(format!("{}{key}:", " ".repeat(indent + 2 * extra)));
            }
            let indent = indent + 2 * (keys.len() - depth);
            new.extend(indented(item, indent));
            // Below the last line that says something, so that the file's end stays its end.
            let place = (from..to).rev().find(|at| says(&lines[*at]));
            let place = place.map_or(from, |at| at + 1);
            lines.splice(place..place, new);
            return lines.join("\n") + "\n";
        };
        from = at + 1;
        to = (from..to)
            .find(|at| {
                let line = &lines[*at];
                says(line)
                    && (depth_of(line) < indent + 1)
                    && !(depth_of(line) == indent && line.trim_start().starts_with('-'))
            })
            .unwrap_or(to);
        indent = (from..to)
            .find(|at| says(&lines[*at]))
            .map_or(indent + 2, |at| depth_of(&lines[at]));
    }
    lines.splice(from..from, indented(item, indent));
    lines.join("\n") + "\n"
}

fn indented(item: &[&str], indent: usize) -> Vec<String> {
    item.iter()
        .map(|line| format!("{}{line}", " ".repeat(indent)))
        .collect()
}

fn is_key(line: &str, wanted: &str) -> bool {
    line.strip_prefix(wanted).is_some_and(|rest| {
        let rest = rest.trim();
        rest.is_empty() || rest.starts_with('#')
    })
}

fn says(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

fn depth_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Is the longer text the shorter one with just the item in front of the list?
fn is_exactly_longer(short: &str, long: &str, keys: &[&str], item: &[&str]) -> bool {
    let parse = |text: &str| serde_yaml::from_str::<Value>(text).ok();
    let (Some(short), Some(mut long)) = (parse(short), parse(long)) else {
        return false;
    };
    let Some(Value::Sequence(item)) = parse(&(item.join("\n") + "\n")) else {
        return false;
    };
    let Some((list, parents)) = keys.split_last() else {
        return false;
    };
    let Some(holder) = parents
        .iter()
        .try_fold(&mut long, |value, key| value.get_mut(*key))
    else {
        return false;
    };
    let Some(Value::Sequence(items)) = holder.get_mut(*list) else {
        return false;
    };
    if items.first() != item.first() {
        return false;
    }
    items.remove(0);
    // What was not there before is there now, and empty.
    let made = items.is_empty();
    long == short || (made && without(&long, keys) == without(&short, keys))
}

/// The value without the list, and without what holds nothing else.
fn without(value: &Value, keys: &[&str]) -> Value {
    let Some((key, rest)) = keys.split_first() else {
        return Value::Null;
    };
    let Value::Mapping(mut mapping) = value.clone() else {
        return Value::Null;
    };
    if let Some(inner) = mapping.get(*key).cloned() {
        match without(&inner, rest) {
            Value::Null => drop(mapping.remove(*key)),
            inner => drop(mapping.insert((*key).into(), inner)),
        }
    }
    if mapping.is_empty() {
        return Value::Null;
    }
    Value::Mapping(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: [&str; 4] = [
        "- name: x.service",
        "  drop-ins:",
        "    - name: 10-oem.conf",
        "      content: a",
    ];

    fn units(text: &str) -> Vec<String> {
        let value: Value = serde_yaml::from_str(text).expect("sound YAML");
        let list = value["coreos"]["units"]
            .as_sequence()
            .expect("a list")
            .clone();
        list.iter()
            .map(|unit| unit["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    #[test]
    fn an_item_comes_in_front_of_the_list_whatever_its_indentation() {
        for text in [
            "#cloud-config\n\ncoreos:\n  etcd2:\n    discovery: x\n  units:\n    - name: a\n      command: start\n",
            "#cloud-config\ncoreos:\n  units:\n  - name: a\n\n# the end\nhostname: x\n",
            "#cloud-config\ncoreos: # all of it\n    units: # mine\n        # none yet\n        - name: a\n          content: |\n            [Unit]\n            units:\n",
        ] {
            let longer = append(text, &["coreos", "units"], &ITEM);
            assert_eq!(units(&longer), ["x.service", "a"], "{longer}");
            for line in text.lines() {
                assert!(longer.lines().any(|other| other == line), "{line:?} stays");
            }
        }
    }

    #[test]
    fn a_list_that_is_missing_is_made() {
        for text in [
            "#cloud-config\nhostname: x\n",
            "#cloud-config\ncoreos:\n  etcd2:\n    name: a\nhostname: x\n",
            "#cloud-config\n",
        ] {
            assert_eq!(
                units(&append(text, &["coreos", "units"], &ITEM)),
                ["x.service"],
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_made_longer_safely_stays_as_it_is() {
        for text in [
            "#!/bin/sh\ncoreos:\n",
            "#cloud-config\ncoreos:\n  units: []\n",
            "#cloud-config\ncoreos: {units: [{name: a}]}\n",
            "#cloud-config\n\tcoreos: broken: more\n",
        ] {
            assert_eq!(append(text, &["coreos", "units"], &ITEM), text);
        }
    }
}
