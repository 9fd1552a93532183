//! API keys: random, so that a plain hash is enough to know one again.

use std::fmt::Write;

use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

/// What a key begins with; no other token does.
const PREFIX: &str = "sbk_";
/// Random letters and digits after it: 238 bits.
const LENGTH: usize = 40;
/// How much of a key's end may be shown, to tell it from others.
const HINT: usize = 4;

/// A new key, which its owner is told once.
pub fn new() -> String {
    format!("{PREFIX}{}", Alphanumeric.sample_string(&mut rand::rng(), LENGTH))
}

/// Whether this could be a key rather than a token that is signed.
pub fn is_one(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// What is stored of a key: SHA-256 in hexadecimal.
pub fn hash(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().fold(String::new(), |mut hash, byte| {
        // Writing to a string cannot fail.
        _ = write!(hash, "{byte:02x}");
        hash
    })
}

/// The end of a key.
pub fn hint(key: &str) -> &str {
    &key[key.len().saturating_sub(HINT)..]
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_differ_and_are_known_by_their_hash() {
        let (one, two) = (super::new(), super::new());
        assert_ne!(one, two);
        assert!(super::is_one(&one) && !super::is_one("eyJhbGciOiJIUzI1NiJ9.e30.x"));
        assert_eq!(one.len(), 44);
        assert_ne!(super::hash(&one), super::hash(&two));
        assert_eq!(super::hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(one.ends_with(super::hint(&one)) && super::hint(&one).len() == 4);
    }
}
