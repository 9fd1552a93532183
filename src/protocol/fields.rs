//! Reading the fields of a JSON object: each reader says what it takes, and names the field it does not get.

use serde_json::{Map, Value};

use crate::domain::{
    ids::{self, ConversationId, Seq},
    refusal::Refusal,
};

/// The fields of an object at `path` (empty for the frame itself), unknown ones ignored. `null` counts as absent.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    path: &'static str,
    object: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub fn new(object: &'a Map<String, Value>) -> Fields<'a> {
        Fields { path: "", object }
    }

    /// The refusal that names this field.
    pub fn invalid(&self, name: &str) -> Refusal {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Refusal::Invalid(path.into())
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// Whether the field is there and `null`, for fields that `null` empties.
    pub fn is_null(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_null)
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Refusal> {
        value.ok_or_else(|| self.invalid(name))
    }

    /// An object inside this one; `name` becomes the path of its fields.
    pub fn object(&self, name: &'static str) -> Result<Fields<'a>, Refusal> {
        let object = self.get(name).and_then(Value::as_object).ok_or_else(|| self.invalid(name))?;
        Ok(Fields { path: name, object })
    }

    /// A string of `min..=max` characters without U+0000.
    pub fn text(&self, name: &str, min: usize, max: usize) -> Result<&'a str, Refusal> {
        self.required(name, self.maybe_text(name, min, max)?)
    }

    pub fn maybe_text(&self, name: &str, min: usize, max: usize) -> Result<Option<&'a str>, Refusal> {
        let fits = |s: &&str| !s.contains('\0') && (min..=max).contains(&s.chars().take(max + 1).count());
        self.maybe(name, |value| value.as_str().filter(fits))
    }

    /// The name of a user or a shop.
    pub fn name(&self, name: &str) -> Result<&'a str, Refusal> {
        self.required(name, self.maybe_name(name)?)
    }

    pub fn maybe_name(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.maybe(name, |value| value.as_str().filter(|s| ids::is_name(s)))
    }

    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        self.required(name, self.maybe(name, Value::as_bool)?)
    }

    pub fn integer(&self, name: &str, min: i64, max: i64) -> Result<i64, Refusal> {
        self.required(name, self.maybe_integer(name, min, max)?)
    }

    pub fn maybe_integer(&self, name: &str, min: i64, max: i64) -> Result<Option<i64>, Refusal> {
        self.maybe(name, |value| integer(value).filter(|n| (min..=max).contains(n)))
    }

    pub fn conversation(&self) -> Result<ConversationId, Refusal> {
        self.integer("conversation", 1, i64::MAX).map(ConversationId)
    }

    pub fn seq(&self) -> Result<Seq, Refusal> {
        self.integer("seq", 0, i64::MAX)
    }

    /// One of a few words.
    pub fn word<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Refusal> {
        self.required(name, self.maybe_word(name, parse)?)
    }

    pub fn maybe_word<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        self.maybe(name, |value| value.as_str().and_then(&parse))
    }

    /// What `read` makes of the value, if there is one.
    pub fn maybe<T>(&self, name: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, Refusal> {
        self.get(name).map(|value| read(value).ok_or_else(|| self.invalid(name))).transpose()
    }
}

/// A whole number, however it is written: `1.0` is one (JSON Schema, section 6.1.1).
pub fn integer(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < EXACT).map(|n| n as i64))
}
