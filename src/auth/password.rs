//! Passwords: Argon2id (RFC 9106) with its library's defaults. Both functions take about 100 ms of a core: call them where that may
//! block.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

/// The shortest and the longest password, in characters.
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=256;

/// The password cannot be hashed. The cause is nothing a user could mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot hash the password")]
pub struct Unhashable;

/// # Errors
/// [`Unhashable`].
pub fn hash(password: &str) -> Result<String, Unhashable> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|_| Unhashable)
}

/// Whether the password is the one that was hashed. Without a hash it takes as long, so that nobody learns who has a password.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    let Some(parsed) = hash.and_then(|hash| PasswordHash::new(hash).ok()) else {
        let _ = self::hash(password);
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hash = super::hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(super::verify("correct horse", Some(&hash)));
        assert!(!super::verify("correct horsf", Some(&hash)));
        assert!(!super::verify("correct horse", None));
        assert!(!super::verify("correct horse", Some("nonsense")));
    }
}
