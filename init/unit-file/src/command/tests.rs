//! Command lines as units write them: the facts of systemd.service(5) and of the machine cases.

use super::*;

fn parse(line: &str) -> Result<CommandLine, CommandError> {
    Command::parse_line(line, &|word| Ok(word.replace("%%", "%")))
}

fn argv(line: &str) -> Vec<String> {
    parse(line).unwrap().commands.remove(0).argv
}

#[test]
fn words_are_split_unquoted_and_unescaped() {
    assert_eq!(
        argv(r#"/bin/sh -c 'a "b" c' d\x41"#),
        ["/bin/sh", "-c", "a \"b\" c", "dA"]
    );
    assert_eq!(argv("/bin/echo 100%% a;b"), ["/bin/echo", "100%", "a;b"]);
}

#[test]
fn a_lone_semicolon_starts_another_command_with_prefixes_of_its_own() {
    let line = parse(r#"/bin/a 1 ; -/bin/b 2 \; ";" ;"#).unwrap();
    assert_eq!(line.commands.len(), 2);
    assert_eq!(line.commands[0].argv, ["/bin/a", "1"]);
    assert_eq!(line.commands[1].argv, ["/bin/b", "2", ";", ";"]);
    assert!(line.commands[1].flags.ignore_failure && !line.commands[0].flags.ignore_failure);
}

#[test]
fn prefix_characters_come_in_any_order_and_once_each() {
    let command = parse("@-:+/bin/x name arg").unwrap().commands.remove(0);
    assert_eq!(
        (command.path.as_str(), command.argv),
        ("/bin/x", vec!["name".into(), "arg".into()])
    );
    assert!(command.flags.ignore_failure && command.flags.no_expansion);
    assert_eq!(command.flags.privileges, Privileges::Full);
    let ambient = parse("!!/bin/x").unwrap().commands.remove(0);
    assert_eq!(ambient.flags.privileges, Privileges::Ambient);
    assert_eq!(ambient.prefix(), "!!");
    assert!(matches!(parse("--/bin/x"), Ok(line) if line.commands.is_empty()));
    assert!(matches!(parse("+!/bin/x"), Err(CommandError::Relative(_))));
}

#[test]
fn a_program_is_an_absolute_path_or_a_bare_name() {
    assert_eq!(argv("true"), ["true"]);
    assert_eq!(argv("/usr//bin/./true"), ["/usr/bin/true"]);
    assert!(matches!(parse("bin/true"), Err(CommandError::Relative(_))));
    assert!(matches!(parse("/bin/"), Err(CommandError::Folder(_))));
    assert!(matches!(parse("/."), Err(CommandError::Folder(_))));
    let nothing = Command::parse_line("%v x", &|word| Ok(word.replace("%v", "")));
    assert_eq!(nothing, Err(CommandError::Empty));
    assert!(matches!(parse("@/bin/x"), Err(CommandError::NoArgv0(_))));
    assert!(matches!(parse("/bin/a 'b"), Err(CommandError::Word(_))));
    assert!(matches!(parse("-"), Ok(line) if line.warnings.len() == 1));
}

#[test]
fn what_the_file_says_is_kept_for_status() {
    let line = "/usr/bin/etcdctl set /domains/%m running";
    let command = Command::parse_line(line, &|word| Ok(word.replace("%m", "0123"))).unwrap();
    assert_eq!(command.commands[0].written, line);
    assert_eq!(command.commands[0].argv[2], "/domains/0123");
}

#[test]
fn variables_expand_by_the_rules_of_command_lines() {
    let env = [("A", "1 2"), ("Q", "'x y' z"), ("E", "")];
    let expand = |line: &str| expand_argv(&argv(line), &env[..]);
    assert_eq!(
        expand("/x $A ${A} a${A}b"),
        ["/x", "1", "2", "1 2", "a1 2b"]
    );
    assert_eq!(expand("/x \"$A\" $Q"), ["/x", "1", "2", "x y", "z"]);
    assert_eq!(expand("/x $E $NO ${E} ${NO}"), ["/x", "", ""]);
    assert_eq!(expand("/x $(id) $A$A $A-x"), ["/x"]);
    assert_eq!(
        expand("/x x$A ${A:-x} ${A $$A $$$$"),
        ["/x", "x$A", "${A:-x}", "${A", "$A", "$$"]
    );
}
