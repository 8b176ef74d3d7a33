//! Reads the members of one JSON object; every member must be asked for, or it is unknown.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::ConfigError;

/// One object of the configuration and the path that leads to it.
pub(crate) struct Members<'a> {
    path: String,
    object: &'a Map<String, Value>,
    known: Vec<String>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(path: &str, value: &'a Value) -> Result<Self, ConfigError> {
        let object = value
            .as_object()
            .ok_or_else(|| ConfigError::new(path, "must be an object"))?;
        Ok(Self {
            path: path.to_owned(),
            object,
            known: Vec::new(),
        })
    }

    /// The path of one member.
    pub(crate) fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    pub(crate) fn value(&mut self, name: &str) -> Option<&'a Value> {
        self.known.push(name.to_owned());
        self.object.get(name)
    }

    /// All members, whatever their names.
    pub(crate) fn all(self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.object.iter()
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<&'a str>, ConfigError> {
        self.typed(name, "a string", Value::as_str)
    }

    pub(crate) fn required_text(&mut self, name: &str) -> Result<&'a str, ConfigError> {
        self.text(name)?
            .ok_or_else(|| ConfigError::new(self.path_of(name), "is required"))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, ConfigError> {
        self.typed(name, "true or false", Value::as_bool)
    }

    pub(crate) fn array(&mut self, name: &str) -> Result<&'a [Value], ConfigError> {
        Ok(self
            .typed(name, "an array", Value::as_array)?
            .map(Vec::as_slice)
            .unwrap_or_default())
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Members<'a>>, ConfigError> {
        let path = self.path_of(name);
        self.value(name)
            .map(|value| Members::new(&path, value))
            .transpose()
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let path = self.path_of(name);
        let Some(values) = self.typed(name, "an array", Value::as_array)? else {
            return Ok(None);
        };
        let texts = values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<_>>();
        texts
            .map(Some)
            .ok_or_else(|| ConfigError::new(path, "must hold strings only"))
    }

    /// A whole number; on its way through Istio it becomes a double, which is fine where nothing is lost.
    pub(crate) fn count(
        &mut self,
        name: &str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Result<usize, ConfigError> {
        let path = self.path_of(name);
        let Some(value) = self.value(name) else {
            return Ok(default as usize);
        };
        range
            .clone()
            .contains(&value.as_f64().and_then(whole).unwrap_or(u32::MAX))
            .then(|| value.as_f64().and_then(whole).unwrap_or_default() as usize)
            .ok_or_else(|| {
                ConfigError::new(
                    path,
                    format!(
                        "must be a whole number from {} to {}",
                        range.start(),
                        range.end()
                    ),
                )
            })
    }

    /// A duration such as `"300s"`, `"5m"` or `"1h"`; `default` and `range` in seconds.
    pub(crate) fn duration(
        &mut self,
        name: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        let given = self.duration_if_given(name, range)?;
        Ok(given.unwrap_or(Duration::from_secs(default)))
    }

    /// As [`Members::duration`], without a default.
    pub(crate) fn duration_if_given(
        &mut self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<Duration>, ConfigError> {
        let path = self.path_of(name);
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let seconds = seconds(text).ok_or_else(|| {
            ConfigError::new(
                &path,
                "must be a duration such as \"300s\", \"5m\" or \"1h\"",
            )
        })?;
        if !range.contains(&seconds) {
            return Err(ConfigError::new(
                path,
                format!("must be from {}s to {}s", range.start(), range.end()),
            ));
        }
        Ok(Some(Duration::from_secs(seconds)))
    }

    /// Refuses what nobody asked for (CF-01).
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        match self.object.keys().find(|name| !self.known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(ConfigError::new(self.path_of(name), "is not a known key")),
        }
    }

    fn typed<T>(
        &mut self,
        name: &str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let path = self.path_of(name);
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| ConfigError::new(path, format!("must be {what}")))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and in range"
)]
fn whole(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX - 1)).contains(&number))
        .then_some(number as u32)
}

fn seconds(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b's' => (text.strip_suffix('s')?, 1),
        b'm' => (text.strip_suffix('m')?, 60),
        b'h' => (text.strip_suffix('h')?, 3_600),
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number
        .then(|| digits.parse::<u64>().ok()?.checked_mul(factor))
        .flatten()
}
