//! A transcript: Markdown whose `console` blocks are sessions. A line that begins with the prompt is typed; the lines
//! below it, up to the next prompt, are what must appear. A prompt of the second terminal is typed
//! in the background and is expected to print once the next commands have run.

/// One typed command and what it must print.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
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

impl Document {
    pub(crate) fn parse(text: &str) -> Result<Document, String> {
        let mut steps: Vec<Step> = Vec::new();
        let mut inside = false;
        for (number, line) in text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
        {
            if line.starts_with("```") {
                inside = !inside && line == "```console";
                continue;
            }
            if !inside {
                continue;
            }
            let typed = line.strip_prefix(PROMPT).map(|command| (command, false));
            if let Some((command, background)) =
                typed.or_else(|| line.strip_prefix(SECOND).map(|command| (command, true)))
            {
                steps.push(Step {
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
        if inside {
            Err("a block is not closed".into())
        } else {
            Ok(Document { steps })
        }
    }
}

#[test]
fn commands_and_their_output_are_read_and_everything_else_is_prose() {
    let text = "# A\n\n```console\ncore@coreos ~ $ echo a\na\n\ncore@coreos(2) ~ $ watch\nb\n```\n\n```\ncore@coreos ~ $ no\n```\n";
    let document = Document::parse(text).expect("sound");
    let step = |line, command: &str, output: &str, background| Step {
        line,
        command: command.into(),
        output: vec![output.to_owned()],
        background,
    };
    assert_eq!(
        document.steps,
        [step(4, "echo a", "a", false), step(7, "watch", "b", true)]
    );
    assert_eq!(
        Document::parse("```console\nlost\n```\n"),
        Err("2: output before any command".into())
    );
}
