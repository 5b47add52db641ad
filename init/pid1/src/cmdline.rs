//! The kernel command line as words (pure), with the questions that this program asks it.

/// The words of /proc/cmdline; double quotes keep blanks inside a word.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cmdline {
    words: Vec<String>,
}

impl Cmdline {
    /// Reads /proc/cmdline; an unreadable one counts as empty.
    pub(crate) fn read() -> Cmdline {
        Cmdline::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default())
    }

    pub(crate) fn parse(text: &str) -> Cmdline {
        let mut words = Vec::new();
        let (mut word, mut quoted) = (String::new(), false);
        for c in text.trim().chars() {
            match c {
                '"' => quoted = !quoted,
                c if c.is_whitespace() && !quoted => {
                    if !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                }
                c => word.push(c),
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
        Cmdline { words }
    }

    /// Whether the word stands there by itself.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    /// The value of the last `name=value`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.words
            .iter()
            .rev()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// The values of every `name=value`.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.words
            .iter()
            .filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// A switch such as `systemd.show_status`: alone means yes.
    pub(crate) fn switch(&self, name: &str, default: bool) -> bool {
        match self.value(name) {
            Some(value) => !matches!(value, "0" | "no" | "n" | "false" | "f" | "off"),
            None => default || self.has(name),
        }
    }

    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }
}

#[cfg(test)]
mod tests {
    use super::Cmdline;

    #[test]
    fn the_last_value_wins_and_quotes_keep_blanks() {
        let line = Cmdline::parse("console=tty0 console=ttyS0,115200n8 x=\"a b\" single quiet\n");
        assert_eq!(line.value("console"), Some("ttyS0,115200n8"));
        assert_eq!(line.values("console").count(), 2);
        assert_eq!(line.value("x"), Some("a b"));
        assert!(line.has("single") && !line.has("rescue"));
        assert!(line.switch("quiet", false) && line.switch("systemd.show_status", true));
    }
}
