//! PostgreSQL's `tsvector`, as it goes over the wire: as text, every word would have to be quoted here and taken apart there.

use std::io::Write;

use diesel::{
    expression::AsExpression,
    pg::Pg,
    query_builder::QueryId,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::SqlType,
};

use super::terms::Lexemes;

/// The last place that a `tsvector` can tell from others, and how many places it keeps of one word.
const LAST_PLACE: usize = (1 << 14) - 1;
const PLACES: usize = 255;

#[derive(SqlType, QueryId)]
#[diesel(postgres_type(oid = 3614, array_oid = 3643))]
pub struct TsVector;

/// Each word once, in order, with its places: what `tsvectorrecv` of PostgreSQL (`tsvector.c`) reads.
#[derive(Debug, AsExpression)]
#[diesel(sql_type = TsVector)]
pub struct Vector(Vec<u8>);

impl Vector {
    pub fn of(words: &Lexemes) -> Vector {
        let place = |place: usize| (place + 1).min(LAST_PLACE) as u16;
        // Bytes are compared: since no first piece begins with another, pieces stand in the order of whole words.
        let mut all: Vec<((&str, &str), u16)> = words.all().enumerate().map(|(at, word)| (word, place(at))).collect();
        all.sort_unstable();
        all.dedup();
        let length: usize = all.iter().map(|((beginning, rest), _)| beginning.len() + rest.len() + 5).sum();
        let mut bytes = Vec::with_capacity(4 + length);
        let same_word = |a: &((&str, &str), u16), b: &((&str, &str), u16)| a.0 == b.0;
        bytes.extend((all.chunk_by(same_word).count() as u32).to_be_bytes());
        for places in all.chunk_by(same_word) {
            let (beginning, rest) = places[0].0;
            let places = &places[..places.len().min(PLACES)];
            bytes.extend(beginning.as_bytes());
            bytes.extend(rest.as_bytes());
            bytes.push(0);
            bytes.extend((places.len() as u16).to_be_bytes());
            bytes.extend(places.iter().flat_map(|(_, place)| place.to_be_bytes()));
        }
        Vector(bytes)
    }
}

impl ToSql<TsVector, Pg> for Vector {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&self.0)?;
        Ok(IsNull::No)
    }
}
