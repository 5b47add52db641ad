//! What arrives, parsed: native datagrams, syslog lines, kernel records and the head of a stream.

/// A parsed message: its fields, each `NAME=value`.
pub(crate) type Fields = Vec<Vec<u8>>;

/// A value longer than this is cut off at reception.
const VALUE_MAX: usize = 768 * 1024;

/// The native protocol: `NAME=value` lines, or `NAME`, a 64-bit length and the value. Names that only the
/// journal itself may set (those that begin with `_`) are dropped, as are malformed ones.
pub(crate) fn native(mut bytes: &[u8]) -> Fields {
    let mut fields = Vec::new();
    while !bytes.is_empty() && fields.len() < 1024 {
        let end = bytes
            .iter()
            .position(|b| *b == b'\n')
            .unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at(end);
        bytes = rest.get(1..).unwrap_or_default();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some(at) = line.iter().position(|b| *b == b'=') {
            let (name, value) = line.split_at(at);
            push(&mut fields, name, value.get(1..).unwrap_or_default());
            continue;
        }
        let Some((head, after)) = bytes.split_at_checked(8) else {
            break;
        };
        let length = u64::from_le_bytes(head.try_into().unwrap_or_default());
        let Some((value, after)) = usize::try_from(length)
            .ok()
            .and_then(|n| after.split_at_checked(n))
        else {
            break;
        };
        push(&mut fields, line, value);
        bytes = after.get(1..).unwrap_or_default();
    }
    fields
}

fn push(fields: &mut Fields, name: &[u8], value: &[u8]) {
    let fits = |name: &str| journal::query::is_field_name(name) && !name.starts_with('_');
    if std::str::from_utf8(name).is_ok_and(fits) {
        let value = value.get(..VALUE_MAX).unwrap_or(value);
        fields.push([name, b"=", value].concat());
    }
}

/// A number in front, as in `<30>`: its value and what follows.
fn priority(text: &[u8]) -> Option<(u16, &[u8])> {
    let inner = text.strip_prefix(b"<")?;
    let end = inner.iter().take(4).position(|b| *b == b'>')?;
    let number = std::str::from_utf8(inner.get(..end)?).ok()?.parse().ok()?;
    Some((number, inner.get(end + 1..)?))
}

fn named(name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    [name.as_bytes(), b"=", value.as_ref()].concat()
}

/// `ident[pid]: text`: identifier, pid and text; the first two only where they are there.
fn identified(text: &[u8]) -> (Option<&[u8]>, Option<&[u8]>, &[u8]) {
    let Some(colon) = text.iter().position(|b| *b == b':') else {
        return (None, None, text);
    };
    let (head, rest) = text.split_at(colon);
    if head.is_empty() || head.iter().any(u8::is_ascii_whitespace) {
        return (None, None, text);
    }
    let rest = rest.get(1..).unwrap_or_default();
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let Some(open) = head
        .iter()
        .position(|b| *b == b'[')
        .filter(|_| head.ends_with(b"]"))
    else {
        return (Some(head), None, rest);
    };
    (head.get(..open), head.get(open + 1..head.len() - 1), rest)
}

/// A line of syslog(3): `<PRI>Mmm dd hh:mm:ss ident[pid]: text`, the date optional.
pub(crate) fn syslog(datagram: &[u8]) -> Fields {
    let datagram = datagram.trim_ascii_end();
    let (number, mut text) = priority(datagram).unwrap_or((13, datagram));
    let mut fields = vec![
        named("PRIORITY", (number & 7).to_string()),
        named("SYSLOG_FACILITY", (number >> 3).to_string()),
    ];
    let is_date = |date: &[u8]| {
        date.get(3) == Some(&b' ') && date.get(6) == Some(&b' ') && date.get(9) == Some(&b':')
    };
    if let Some((date, rest)) = text.split_at_checked(16)
        && is_date(date)
    {
        fields.push(named("SYSLOG_TIMESTAMP", date));
        text = rest;
    }
    let (identifier, pid, text) = identified(text);
    fields.extend(identifier.map(|value| named("SYSLOG_IDENTIFIER", value)));
    fields.extend(pid.map(|value| named("SYSLOG_PID", value)));
    fields.push(named("MESSAGE", text));
    fields
}

/// One record of `/dev/kmsg`: `prio,sequence,micros,flags;text`, and further lines ` KEY=value`.
pub(crate) struct Kernel {
    pub(crate) sequence: u64,
    pub(crate) fields: Fields,
}

/// Parses a record of `/dev/kmsg`.
pub(crate) fn kernel(record: &[u8]) -> Option<Kernel> {
    let semicolon = record.iter().position(|b| *b == b';')?;
    let (head, rest) = record.split_at(semicolon);
    let head = std::str::from_utf8(head).ok()?;
    let mut parts = head.split(',');
    let number: u32 = parts.next()?.parse().ok()?;
    let sequence = parts.next()?.parse().ok()?;
    let micros = parts.next()?;
    let mut lines = rest.get(1..)?.split(|b| *b == b'\n');
    let text = unescape(lines.next()?);
    let facility = number >> 3;
    let mut fields = vec![
        named("PRIORITY", (number & 7).to_string()),
        named("SYSLOG_FACILITY", facility.to_string()),
        named("_SOURCE_MONOTONIC_TIMESTAMP", micros),
    ];
    if facility == 0 {
        fields.push(named("SYSLOG_IDENTIFIER", "kernel"));
        fields.push(named("MESSAGE", &text));
    } else {
        let (identifier, pid, text) = identified(&text);
        fields.extend(identifier.map(|value| named("SYSLOG_IDENTIFIER", value)));
        fields.extend(pid.map(|value| named("SYSLOG_PID", value)));
        fields.push(named("MESSAGE", text));
    }
    for line in lines.filter_map(|line| line.strip_prefix(b" ")) {
        if let Some(device) = line.strip_prefix(b"DEVICE=") {
            fields.push(named("_KERNEL_DEVICE", device));
        } else if let Some(subsystem) = line.strip_prefix(b"SUBSYSTEM=") {
            fields.push(named("_KERNEL_SUBSYSTEM", subsystem));
        }
    }
    Some(Kernel { sequence, fields })
}

/// `\xHH` of `/dev/kmsg` as the byte it stands for.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let byte = after
            .strip_prefix(b"x")
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits.get(..2)?).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// What a service's stream says of itself in its first seven lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamHead {
    pub(crate) identifier: String,
    pub(crate) unit: String,
    pub(crate) priority: u16,
    pub(crate) level_prefix: bool,
    pub(crate) to_kmsg: bool,
    pub(crate) to_console: bool,
}

impl StreamHead {
    /// Parses seven lines; `None` when they are not such a head.
    pub(crate) fn parse(lines: &[String]) -> Option<Self> {
        let [
            identifier,
            unit,
            priority,
            level_prefix,
            _to_syslog,
            to_kmsg,
            to_console,
        ] = lines
        else {
            return None;
        };
        let flag = |text: &str| text == "1";
        Some(Self {
            identifier: identifier.clone(),
            unit: unit.clone(),
            priority: priority.parse().ok()?,
            level_prefix: flag(level_prefix),
            to_kmsg: flag(to_kmsg),
            to_console: flag(to_console),
        })
    }

    /// What holds of the head when this user connected: only root speaks for a unit, to the console or to the kernel;
    /// for anyone else the cgroup says which unit it is.
    pub(crate) fn of(self, owner: Option<u32>) -> Self {
        if owner == Some(0) {
            return self;
        }
        Self {
            unit: String::new(),
            to_kmsg: false,
            to_console: false,
            ..self
        }
    }

    /// The seven lines again.
    pub(crate) fn lines(&self) -> String {
        let flag = u8::from;
        format!(
            "{}\n{}\n{}\n{}\n0\n{}\n{}\n",
            self.identifier,
            self.unit,
            self.priority,
            flag(self.level_prefix),
            flag(self.to_kmsg),
            flag(self.to_console)
        )
    }

    /// Priority, facility and text of one line: `<N>` in front changes the priority where that is allowed.
    pub(crate) fn line<'a>(&self, line: &'a [u8]) -> (u16, u16, &'a [u8]) {
        let facility = if self.priority >> 3 == 0 {
            3
        } else {
            self.priority >> 3
        };
        match priority(line).filter(|_| self.level_prefix) {
            Some((number, text)) => (
                number & 7,
                if number > 7 { number >> 3 } else { facility },
                text,
            ),
            None => (self.priority & 7, facility, line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(fields: &Fields) -> Vec<String> {
        fields
            .iter()
            .map(|f| String::from_utf8_lossy(f).into_owned())
            .collect()
    }

    #[test]
    fn native_messages_carry_lines_and_binary_values_and_no_trusted_names() {
        let message = b"MESSAGE=hi\n_PID=1\nBLOB\n\x03\0\0\0\0\0\0\0a\nb\nPRIORITY=4\nlower=x\n";
        assert_eq!(
            texts(&native(message)),
            ["MESSAGE=hi", "BLOB=a\nb", "PRIORITY=4"]
        );
    }

    #[test]
    fn a_value_that_is_too_long_is_cut_off_and_not_lost() {
        let mut message = b"MESSAGE=".to_vec();
        message.extend(vec![b'x'; VALUE_MAX + 9]);
        message.extend(b"\nPRIORITY=3\n");
        let fields = native(&message);
        assert_eq!(fields.first().map(Vec::len), Some(VALUE_MAX + 8));
        assert_eq!(
            fields.get(1).map(Vec::as_slice),
            Some(b"PRIORITY=3".as_slice())
        );
    }

    #[test]
    fn native_messages_that_lie_about_a_length_lose_only_that_value() {
        assert_eq!(
            texts(&native(b"A=1\nBLOB\n\xff\xff\xff\xff\xff\xff\xff\xffab")),
            ["A=1"]
        );
    }

    #[test]
    fn a_syslog_line_is_taken_apart() {
        let fields = texts(&syslog(b"<13>Jun 20 08:52:43 logger[77]: hello: world\n"));
        assert!(fields.contains(&"SYSLOG_IDENTIFIER=logger".to_owned()));
        assert!(fields.contains(&"SYSLOG_PID=77".to_owned()));
        assert!(fields.contains(&"MESSAGE=hello: world".to_owned()));
        assert!(fields.contains(&"PRIORITY=5".to_owned()));
        assert!(fields.contains(&"SYSLOG_FACILITY=1".to_owned()));
    }

    #[test]
    fn a_kernel_record_has_its_sequence_and_unescaped_text() {
        let record =
            kernel(b"6,339,5140900,-;a\\x09b\n SUBSYSTEM=pci\n DEVICE=+pci:0000\n").unwrap();
        assert_eq!(record.sequence, 339);
        assert!(texts(&record.fields).contains(&"MESSAGE=a\tb".to_owned()));
        assert!(texts(&record.fields).contains(&"_KERNEL_SUBSYSTEM=pci".to_owned()));
        let record = kernel(b"30,340,1,-;systemd[1]: Started X.\n").unwrap();
        assert!(texts(&record.fields).contains(&"SYSLOG_IDENTIFIER=systemd".to_owned()));
    }

    #[test]
    fn a_prefix_sets_the_priority_of_a_stream_line_only_where_the_head_allows_it() {
        let lines: Vec<String> = ["sh", "x.service", "6", "1", "0", "0", "0"]
            .map(str::to_owned)
            .to_vec();
        let head = StreamHead::parse(&lines).unwrap();
        assert_eq!(head.line(b"<3>bad"), (3, 3, b"bad".as_slice()));
        assert_eq!(head.line(b"plain"), (6, 3, b"plain".as_slice()));
        assert_eq!(
            StreamHead {
                level_prefix: false,
                ..head.clone()
            }
            .line(b"<3>bad")
            .2,
            b"<3>bad"
        );
        assert_eq!(
            StreamHead::parse(&head.lines().lines().map(str::to_owned).collect::<Vec<_>>()),
            Some(head)
        );
    }
}
