//! The secret that tokens are signed with: configured, or made at the first start.

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    path::Path,
};

use secrecy::SecretString;

pub const FILE: &str = "secret.key";

/// The secret in `directory`, made where there is none: 64 hexadecimal digits, mode 0600.
///
/// # Errors
/// When the file can neither be read nor made.
pub fn load_or_make(directory: &Path) -> io::Result<SecretString> {
    std::fs::create_dir_all(directory)?;
    let path = directory.join(FILE);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            let bytes: [u8; 32] = rand::random();
            let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            file.write_all(secret.as_bytes())?;
            file.sync_all()?;
            Ok(secret.into())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut secret = String::new();
            std::fs::File::open(&path)?.read_to_string(&mut secret)?;
            match secret.trim() {
                "" => Err(io::Error::other(format!("{} is empty", path.display()))),
                secret => Ok(secret.into()),
            }
        }
        Err(error) => Err(error),
    }
}
