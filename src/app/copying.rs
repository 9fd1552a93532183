//! `shopbell copy-database`: growing up from SQLite to PostgreSQL, or back.

use super::progress_bar::ProgressBar;
use crate::store::{
    self,
    copy::{self, Copied},
    location::Location,
};

/// Copies everything from one database to the other, and says on standard error how far it is.
///
/// # Errors
/// The store's.
pub fn run(from: &str, to: &str) -> Result<String, store::Error> {
    let (from, to) = (Location::parse(from)?, Location::parse(to)?);
    let mut bar = ProgressBar::on_stderr();
    let copied = copy::copy(&from, &to, |progress| bar.show(progress));
    bar.end();
    Ok(told(&from, &to, copied?))
}

fn told(from: &Location, to: &Location, copied: Copied) -> String {
    let Copied { rows, conversations } = copied;
    let mut told = format!(
        "{rows} rows have been copied from {} to {}; all counts agree, and so does the last message of each of {conversations} \
         conversations",
        from.shown(),
        to.shown()
    );
    let secret = from.directory().map(|directory| directory.join(super::secret::FILE));
    if let Some(secret) = secret.filter(|secret| to.is_postgres() && secret.exists()) {
        told += &format!("\nset auth.secret to what is in {}: with another, all tokens end", secret.display());
    }
    told
}
