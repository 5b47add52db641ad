//! The conformance cases of cloud-config, run through the built program below a root of its own.
//!
//! Cases are data in `cases/*.case`:
//!
//! ```text
//! ## C-15 title
//! @metadata {json}   @env NAME=VALUE   @root PATH "content"   @link PATH TARGET   @raw text
//! the document without its #cloud-config line
//! --
//! expectations, one a line
//! ```
//!
//! Unless a case says otherwise the meta-data gives host name md, private address 10.0.0.5 and
//! public address 203.0.113.9. In quoted and raw text `\n \t \r \" \\ \xNN` are escapes, `{uid}` and
//! `{gid}` the test's own ids. After every case no temporary file may be left.

#![expect(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "an integration test file is a test module"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

mod services;

/// Runs the program; `arguments` come after root and report.
fn program(root: &Path, arguments: &[&str], environment: &[(String, String)]) -> (Output, Value) {
    let report = root.join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_coreos-cloudinit"))
        .arg(format!("--root={}", root.display()))
        .arg("--offline")
        .arg(format!("-report={}", report.display()))
        .args(arguments)
        .envs(environment.iter().cloned())
        .output()
        .unwrap();
    let text = fs::read(&report).unwrap_or_default();
    let _ = fs::remove_file(&report);
    (output, serde_json::from_slice(&text).unwrap_or_default())
}

struct Case {
    name: String,
    raw: Option<String>,
    metadata: String,
    environment: Vec<(String, String)>,
    roots: Vec<(String, Vec<u8>)>,
    links: Vec<(String, String)>,
    body: String,
    expected: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut found = Vec::new();
    for block in text
        .split("\n## ")
        .skip(usize::from(!text.starts_with("## ")))
    {
        let block = block.strip_prefix("## ").unwrap_or(block);
        let (name, rest) = block.split_once('\n').unwrap();
        let (input, expected) = rest.split_once("--\n").unwrap();
        let mut case = Case {
            name: name.to_owned(),
            raw: None,
            metadata: r#"{"hostname":"md","private_ipv4":"10.0.0.5","public_ipv4":"203.0.113.9"}"#
                .into(),
            environment: vec![],
            roots: vec![],
            links: vec![],
            body: String::new(),
            expected: expected
                .lines()
                .filter(|l| !l.is_empty())
                .map(str::to_owned)
                .collect(),
        };
        for line in input.split_inclusive('\n') {
            let Some(directive) = line.strip_prefix('@') else {
                case.body.push_str(line);
                continue;
            };
            let directive = directive.strip_suffix('\n').unwrap_or(directive);
            let (word, value) = directive.split_once(' ').unwrap_or((directive, ""));
            match word {
                "raw" => case.raw = Some(value.to_owned()),
                "metadata" => case.metadata = value.to_owned(),
                "env" => {
                    let (name, value) = value.split_once('=').unwrap();
                    case.environment.push((name.into(), value.into()));
                }
                "root" => {
                    let (path, content) = value.split_once(' ').unwrap();
                    case.roots.push((path.into(), quoted(content)));
                }
                "link" => {
                    let (path, target) = value.split_once(' ').unwrap();
                    case.links.push((path.into(), target.into()));
                }
                other => panic!("{name}: unknown directive {other}"),
            }
        }
        found.push(case);
    }
    found
}

fn quoted(text: &str) -> Vec<u8> {
    let inner = text
        .trim()
        .strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'));
    unescaped(inner.unwrap_or_else(|| panic!("not quoted: {text}")))
}

fn unescaped(text: &str) -> Vec<u8> {
    let me = fs::metadata("/proc/self").unwrap();
    let text = text
        .replace("{uid}", &me.uid().to_string())
        .replace("{gid}", &me.gid().to_string());
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let (byte, used) = match tail {
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [b'x', a, b, ..] => {
                let hex = [*a, *b];
                (
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap(),
                    3,
                )
            }
            [b'"' | b'\\', ..] => (tail[0], 1),
            // A backslash that is the document's own.
            _ => (b'\\', 0),
        };
        out.push(byte);
        rest = &tail[used..];
    }
    out
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn prepare(case: &Case) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, content: &[u8]| {
        let path = below(root.path(), path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    put(
        "/usr/share/coreos/update.conf",
        b"GROUP=stable\nSERVER=https://u.example/\n",
    );
    for (path, content) in &case.roots {
        put(path, content);
    }
    for (path, target) in &case.links {
        let path = below(root.path(), path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
    let document = match &case.raw {
        Some(raw) => unescaped(raw),
        None => format!("#cloud-config\n{}", case.body).into_bytes(),
    };
    put("/input/user-data", &document);
    put("/input/meta-data", case.metadata.as_bytes());
    root
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    value[key]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

struct Run<'a> {
    case: &'a Case,
    root: &'a Path,
    user_data: String,
    meta_data: String,
    output: Output,
    report: Value,
}

impl Run<'_> {
    fn apply(&self) -> (Output, Value) {
        let arguments = [
            "-from-file",
            &self.user_data,
            "-metadata-json",
            &self.meta_data,
        ];
        program(self.root, &arguments, &self.case.environment)
    }

    fn found(&self, severity: &str, line: Option<&str>) -> bool {
        let line: Option<u64> = line.filter(|l| !l.is_empty()).map(|l| l.parse().unwrap());
        self.report["diagnostics"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|d| d["severity"] == severity && line.is_none_or(|line| d["line"] == line))
    }

    fn check(&self, expectation: &str) -> Result<(), String> {
        let (word, rest) = expectation.split_once(' ').unwrap_or((expectation, ""));
        let equal = |wanted: &str, got: String| {
            if wanted == got {
                Ok(())
            } else {
                Err(format!("wanted {wanted}\n   got {got}"))
            }
        };
        match word {
            "exit" => equal(rest, self.output.status.code().unwrap().to_string()),
            "hostname" => equal(
                rest,
                self.report["hostname"]
                    .as_str()
                    .unwrap_or("(none)")
                    .to_owned(),
            ),
            "clean" => {
                if self.found("error", None) || self.found("warning", None) {
                    Err("not clean".into())
                } else {
                    Ok(())
                }
            }
            "error" | "warning" => {
                if self.found(word, Some(rest)) {
                    Ok(())
                } else {
                    Err("no such finding".into())
                }
            }
            "message" => {
                let all = self.report["diagnostics"].to_string().replace("\\\"", "\"");
                if all.contains(rest) {
                    Ok(())
                } else {
                    Err("no such text".into())
                }
            }
            "file" => self.file(rest),
            "contains" => {
                let (path, text) = rest.split_once(' ').unwrap();
                let content = fs::read(below(self.root, path)).map_err(|e| e.to_string())?;
                let text = unescaped(text);
                let there = content.windows(text.len()).any(|window| window == text);
                if there {
                    Ok(())
                } else {
                    Err(String::from_utf8_lossy(&content).into_owned())
                }
            }
            "nofile" => {
                let there = fs::symlink_metadata(below(self.root, rest)).is_ok();
                if there {
                    Err("it exists".into())
                } else {
                    Ok(())
                }
            }
            "files" => {
                let got: Vec<&str> = self.report["files"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|f| f["path"].as_str())
                    .collect();
                equal(rest, got.join(" "))
            }
            "link" => {
                let (path, target) = rest.split_once(' ').unwrap();
                let got = fs::read_link(below(self.root, path)).map_err(|e| e.to_string())?;
                equal(target, got.display().to_string())
            }
            "dropin" => {
                let (unit, variables) = rest.split_once(' ').unwrap();
                let mut wanted = String::from("[Service]\n");
                for variable in variables.split(' ') {
                    wanted.push_str(&format!("Environment=\"{variable}\"\n"));
                }
                let path = format!("/run/systemd/system/{unit}.service.d/20-cloudinit.conf");
                let got = fs::read_to_string(below(self.root, &path)).map_err(|e| e.to_string())?;
                equal(&wanted, got)
            }
            "actions" => equal(rest, texts(&self.report, "actions").join(" | ")),
            "keys" => {
                let (user, keys) = rest.split_once(' ').unwrap();
                equal(keys, texts(&self.report["ssh_keys"], user).join(" | "))
            }
            "useradd" => equal(rest, texts(&self.report, "useradd").join(" | ")),
            "nouseradd" => equal("", texts(&self.report, "useradd").join(" | ")),
            "script" => equal(
                &String::from_utf8(unescaped(rest)).unwrap(),
                texts(&self.report, "scripts").join(" | "),
            ),
            "validate" => {
                let (output, _) = program(
                    self.root,
                    &["-validate", "-from-file", &self.user_data],
                    &[],
                );
                let code = output.status.code().unwrap();
                equal(
                    "0 ",
                    format!("{code} {}", String::from_utf8_lossy(&output.stdout)),
                )
            }
            "again" => self.again(),
            other => panic!("{}: unknown expectation {other}", self.case.name),
        }
    }

    fn file(&self, rest: &str) -> Result<(), String> {
        let (path, rest) = rest.split_once(' ').unwrap();
        let (mode, content) = rest.split_once(' ').unwrap();
        let place = below(self.root, path);
        let got = fs::read(&place).map_err(|e| e.to_string())?;
        let wanted = quoted(content);
        if got != wanted {
            return Err(format!(
                "wanted {:?}\n   got {:?}",
                String::from_utf8_lossy(&wanted),
                String::from_utf8_lossy(&got)
            ));
        }
        let got = fs::metadata(&place).unwrap().permissions().mode() & 0o7777;
        let wanted = u32::from_str_radix(mode, 8).unwrap();
        if got == wanted {
            Ok(())
        } else {
            Err(format!("wanted mode {wanted:04o}, got {got:04o}"))
        }
    }

    /// C-90: a second run with the same input changes nothing on the disk.
    fn again(&self) -> Result<(), String> {
        let before = snapshot(self.root);
        let (output, report) = self.apply();
        if output.status.code() != self.output.status.code() {
            return Err(format!("second run: {output:?}"));
        }
        let changed: Vec<String> = report["files"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|f| f["action"] != "unchanged")
            .map(ToString::to_string)
            .collect();
        let after = snapshot(self.root);
        if changed.is_empty() && before == after {
            Ok(())
        } else {
            Err(format!("changed: {changed:?}"))
        }
    }
}

/// Every path with its inode: a file that is written anew has another.
fn snapshot(root: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                folders.push(entry.path());
            }
            found.push((entry.path(), meta.ino()));
        }
    }
    found.sort();
    found
}

fn run(text: &str) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases(text) {
        count += 1;
        let root = prepare(&case);
        let path = |name: &str| root.path().join("input").join(name).display().to_string();
        let mut run = Run {
            case: &case,
            root: root.path(),
            user_data: path("user-data"),
            meta_data: path("meta-data"),
            output: Command::new("true").output().unwrap(),
            report: Value::Null,
        };
        (run.output, run.report) = run.apply();
        for expectation in &case.expected {
            if let Err(why) = run.check(expectation) {
                let said = String::from_utf8_lossy(&run.output.stderr).into_owned();
                wrong.push(format!(
                    "{}: {expectation}\n   {why}\n   {}",
                    case.name,
                    said.replace('\n', "\n   ")
                ));
            }
        }
        let left: Vec<_> = snapshot(root.path())
            .into_iter()
            .filter(|(path, _)| path.to_string_lossy().contains("cloudinit-temp"))
            .collect();
        assert!(left.is_empty(), "{}: {left:?}", case.name);
    }
    assert!(count > 5, "only {count} cases were found");
    assert!(
        wrong.is_empty(),
        "{} expectations failed:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_envelope_decides_what_user_data_is() {
    run(include_str!("cases/envelope.case"));
}

#[test]
fn yaml_is_understood_as_the_original_did() {
    run(include_str!("cases/yaml.case"));
}

#[test]
fn variables_are_replaced_and_the_environment_file_kept() {
    run(include_str!("cases/substitution.case"));
}

#[test]
fn sections_become_drop_ins_and_files() {
    run(include_str!("cases/sections.case"));
}

#[test]
fn units_are_placed_masked_enabled_and_commanded() {
    run(include_str!("cases/units.case"));
}

#[test]
fn files_users_and_host_names_are_set() {
    run(include_str!("cases/files.case"));
}

/// C-30 and C-89: size alone costs little. The limits leave room for a loaded machine and a debug
/// build; the original needed seconds and for ever.
#[test]
fn large_documents_are_quick() {
    let many: String = (0..1_200)
        .map(|n| format!("- {{path: /f/{n}, content: x}}\n"))
        .collect();
    let mut bomb = String::from("x0: &x0 [k,k,k,k,k,k,k,k,k]\n");
    for n in 1..7 {
        bomb.push_str(&format!(
            "x{n}: &x{n} [{}]\n",
            vec![format!("*x{}", n - 1); 9].join(",")
        ));
    }
    for (document, clean) in [
        (format!("write_files:\n{many}"), true),
        (format!("{bomb}hostname: ok\n"), false),
    ] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("u");
        fs::write(&path, format!("#cloud-config\n{document}")).unwrap();
        let began = std::time::Instant::now();
        let (output, _) = program(
            root.path(),
            &["-validate", "-from-file", &path.display().to_string()],
            &[],
        );
        assert!(
            began.elapsed() < std::time::Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(output.status.success(), clean, "{output:?}");
        let (_, report) = program(
            root.path(),
            &["-from-file", &path.display().to_string()],
            &[],
        );
        if !clean {
            assert_eq!(report["hostname"], "ok");
        }
    }
}

#[test]
fn a_unit_that_the_document_no_longer_names_is_removed_unless_it_was_changed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("u");
    let apply = |document: &str| {
        fs::write(&path, format!("#cloud-config\n{document}")).unwrap();
        let (output, report) = program(
            root.path(),
            &["-from-file", &path.display().to_string()],
            &[],
        );
        assert!(output.status.success(), "{output:?}");
        texts(&report, "actions")
    };
    apply(
        "coreos:\n  units:\n  - {name: a.service, content: x}\n  - {name: b.service, content: y}\n  - {name: c.service, mask: true}\n",
    );
    let units = root.path().join("etc/systemd/system");
    fs::write(units.join("b.service"), "changed by hand").unwrap();
    assert_eq!(apply("coreos: {}\n"), ["daemon-reload"]);
    let left: Vec<String> = fs::read_dir(&units)
        .unwrap()
        .flatten()
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["b.service"]);
}

#[test]
fn a_document_that_cannot_be_read_takes_nothing_of_the_earlier_one_away() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("u");
    let apply = |document: &str| {
        fs::write(&path, format!("#cloud-config\n{document}")).unwrap();
        let arguments = ["-from-file", &path.display().to_string()];
        program(root.path(), &arguments, &[]).0.status.code()
    };
    let unit = root.path().join("etc/systemd/system/a.service");
    let good = "coreos:\n  units:\n  - {name: a.service, content: x}\n";
    assert_eq!(apply(good), Some(0));
    assert_eq!(apply("coreos: [\n"), Some(1));
    assert!(unit.exists());
    assert_eq!(apply("coreos: {}\n"), Some(0));
    assert!(!unit.exists());
}
