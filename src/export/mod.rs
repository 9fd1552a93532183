//! Tables, row by row, in formats that people's programs read. However many rows there are, memory stays the same.

mod csv;
mod formula;
mod jsonl;
mod xlsx;

use std::{borrow::Cow, io};

use chrono_tz::Tz;

use crate::domain::ids::Timestamp;

/// What stands in one column of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Nothing,
    Text(Cow<'a, str>),
    Number(i64),
    Flag(bool),
    Time(Timestamp),
}

impl<'a> Cell<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::Text(text.into())
    }

    pub fn maybe<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell<'a>) -> Cell<'a> {
        value.map_or(Cell::Nothing, cell)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a byte order mark, as spreadsheets want it.
    Csv,
    /// Office Open XML, ISO/IEC 29500.
    Xlsx,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Csv, Format::Xlsx, Format::Jsonl];

    /// The word on the wire, which is also how the name of a file ends.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Xlsx => "xlsx",
            Format::Jsonl => "jsonl",
        }
    }

    pub fn parse(s: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.as_str() == s)
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Jsonl => "application/jsonl; charset=utf-8",
        }
    }

    /// A table with these columns. Only XLSX shows times by the clocks of `zone`; the others have RFC 3339, UTC.
    ///
    /// # Errors
    /// None that can happen in memory.
    pub fn table(self, columns: &'static [&'static str], zone: Tz) -> io::Result<Box<dyn Table>> {
        Ok(match self {
            Format::Csv => Box::new(csv::Csv::new(columns)),
            Format::Xlsx => Box::new(xlsx::Xlsx::new(columns, zone)?),
            Format::Jsonl => Box::new(jsonl::Jsonl::new(columns)),
        })
    }
}

/// A table that is being written.
pub trait Table: Send {
    /// A cell for each column.
    ///
    /// # Errors
    /// None that can happen in memory.
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()>;

    /// There are no more rows.
    ///
    /// # Errors
    /// The same.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The bytes that have come of it since this was asked last.
    fn take(&mut self) -> Vec<u8>;
}
