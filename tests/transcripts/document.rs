//! A transcript: Markdown whose `console` blocks are sessions. A line that begins with the prompt is typed; the lines
//! below it, up to the next prompt, are what must appear. A prompt of the second terminal is typed
//! in the background and is expected to print once the next commands have run. A block that begins with
//! "console B" is typed on the second machine, "console C" on the third. A block that begins with "ini" and a path
//! is a file that is written on the first machine.

/// One typed command and what it must print.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Which machine it is typed on: 0 is A.
    pub(crate) machine: usize,
    /// Line in the document.
    pub(crate) line: usize,
    /// What is typed.
    pub(crate) command: String,
    /// What appears.
    pub(crate) output: Vec<String>,
    /// Typed in the background, on a second terminal of the machine.
    pub(crate) background: bool,
}

/// A document's steps.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) steps: Vec<Step>,
}

const PROMPT: &str = "core@coreos ~ $ ";
const SECOND: &str = "core@coreos(2) ~ $ ";
/// The begin of a block that is a file.
const FILE: &str = "```ini /";
/// Begins of blocks that are sessions, in the order of the machines.
const BLOCKS: [&str; 3] = ["```console", "```console B", "```console C"];

impl Document {
    pub(crate) fn parse(text: &str) -> Result<Document, String> {
        let mut steps: Vec<Step> = Vec::new();
        let mut inside: Option<usize> = None;
        let mut file: Option<String> = None;
        for (number, line) in text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
        {
            if line.starts_with("```") {
                if inside.take().is_some() {
                    if let (Some(text), Some(step)) = (file.take(), steps.last_mut()) {
                        step.command = format!("{}{text}END", step.command);
                    }
                } else if let Some(path) = line.strip_prefix(FILE) {
                    inside = Some(0);
                    file = Some(String::new());
                    steps.push(Step {
                        machine: 0,
                        line: number,
                        command: format!("sudo tee '/{path}' >/dev/null <<'END'\n"),
                        output: Vec::new(),
                        background: false,
                    });
                } else {
                    inside = BLOCKS.iter().position(|begin| *begin == line);
                }
                continue;
            }
            let Some(machine) = inside else {
                continue;
            };
            if let Some(text) = &mut file {
                text.push_str(line);
                text.push('\n');
                continue;
            }
            let typed = line.strip_prefix(PROMPT).map(|command| (command, false));
            if let Some((command, background)) =
                typed.or_else(|| line.strip_prefix(SECOND).map(|command| (command, true)))
            {
                steps.push(Step {
                    machine,
                    line: number,
                    command: command.to_owned(),
                    output: Vec::new(),
                    background,
                });
            } else if let Some(step) = steps.last_mut() {
                step.output.push(line.to_owned());
            } else {
                return Err(format!("{number}: output before any command"));
            }
        }
        for step in &mut steps {
            while step.output.last().is_some_and(String::is_empty) {
                step.output.pop();
            }
        }
        if inside.is_some() {
            Err("a block is not closed".into())
        } else {
            Ok(Document { steps })
        }
    }
}

#[test]
fn commands_and_their_output_are_read_and_everything_else_is_prose() {
    let text = "# A\n\n```console\ncore@coreos ~ $ echo a\na\n\ncore@coreos(2) ~ $ watch\nb\n```\n\n```\ncore@coreos ~ $ no\n```\n\n```console B\ncore@coreos ~ $ c\n```\n\n```ini /etc/a\n[b]\n```\n";
    let document = Document::parse(text).expect("sound");
    let step = |machine, line, command: &str, output: &[&str], background| Step {
        machine,
        line,
        command: command.into(),
        output: output.iter().map(|line| (*line).to_owned()).collect(),
        background,
    };
    assert_eq!(
        document.steps,
        [
            step(0, 4, "echo a", &["a"], false),
            step(0, 7, "watch", &["b"], true),
            step(1, 16, "c", &[], false),
            step(
                0,
                19,
                "sudo tee '/etc/a' >/dev/null <<'END'\n[b]\nEND",
                &[],
                false
            )
        ]
    );
    assert_eq!(
        Document::parse("```console\nlost\n```\n"),
        Err("2: output before any command".into())
    );
}
