//! Words of closed sets.

use serde::{Deserialize, Serialize};

use crate::domain::{
    conversation::{Cause, Speaker},
    people::{Role, Status},
};

/// One of a closed set of words, as the store and the contract write it.
#[derive(Clone, Copy)]
pub(super) struct Word<T>(pub(super) T);

macro_rules! words {
    ($($type:ty),*) => {$(
        impl Serialize for Word<$type> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl<'de> Deserialize<'de> for Word<$type> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <&str>::deserialize(deserializer)?;
                <$type>::parse(word).map(Word).ok_or_else(|| serde::de::Error::custom("an unknown word"))
            }
        }
    )*};
}

words!(Cause, Role, Status, Speaker);
