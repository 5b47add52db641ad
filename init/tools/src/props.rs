//! The properties of one object as a client got them, in PID 1's order.

use init_client::Value;

/// Names and values of one `GetAll`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Props(pub(crate) Vec<(String, Value)>);

impl Props {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// A text; empty when absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number; `None` when absent or all ones, which means "not set".
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)
            .and_then(Value::as_u64)
            .filter(|n| *n != u64::MAX)
    }

    /// A point in time; `None` when it never came.
    pub(crate) fn time(&self, name: &str) -> Option<u64> {
        self.number(name).filter(|n| *n > 0)
    }

    pub(crate) fn int(&self, name: &str) -> i64 {
        self.get(name).and_then(Value::as_i64).unwrap_or(0)
    }

    pub(crate) fn yes(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.get(name).map(Value::as_strings).unwrap_or_default()
    }

    pub(crate) fn items(&self, name: &str) -> &[Value] {
        self.get(name).map(Value::items).unwrap_or_default()
    }
}
