//! CSV (RFC 4180): a byte order mark, so that spreadsheets read UTF-8; lines end with CR LF.

use std::{io, mem};

use super::{Cell, Table, formula::is_formula};
use crate::protocol::time::rfc3339;

pub struct Csv {
    out: Vec<u8>,
}

impl Csv {
    pub fn new(columns: &[&str]) -> Csv {
        let mut csv = Csv { out: b"\xef\xbb\xbf".to_vec() };
        csv.line(columns.iter().map(|column| Cell::text(*column)));
        csv
    }

    fn line<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) {
        for (n, cell) in cells.enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            match cell {
                Cell::Nothing => {}
                Cell::Text(text) => self.text(&text),
                Cell::Number(number) => self.out.extend(number.to_string().bytes()),
                Cell::Flag(flag) => self.out.extend(flag.to_string().bytes()),
                Cell::Time(at) => self.out.extend(rfc3339(at).bytes()),
            }
        }
        self.out.extend(b"\r\n");
    }

    /// A text that would be run gets an apostrophe before it, which spreadsheets take for "this is text".
    fn text(&mut self, text: &str) {
        let (formula, quoted) = (is_formula(text), text.contains(['"', ',', ';', '\t', '\r', '\n']));
        if quoted {
            self.out.push(b'"');
        }
        if formula {
            self.out.push(b'\'');
        }
        for byte in text.bytes() {
            if byte == b'"' {
                self.out.push(b'"');
            }
            self.out.push(byte);
        }
        if quoted {
            self.out.push(b'"');
        }
    }
}

impl Table for Csv {
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        self.line(cells.iter().cloned());
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Timestamp;

    #[test]
    fn what_needs_it_is_quoted_and_what_would_be_run_is_text() {
        let mut csv = Csv::new(&["a", "b"]);
        let rows = [
            [Cell::text("plain"), Cell::Number(-7)],
            [Cell::text("a \"b\", c"), Cell::Nothing],
            [Cell::text("two\r\nlines"), Cell::Flag(true)],
            [Cell::text("=HYPERLINK(\"x\")"), Cell::Time(Timestamp(0))],
            [Cell::text("-5"), Cell::text("\u{597d}")],
        ];
        rows.iter().for_each(|row| csv.row(row).unwrap());
        let text = String::from_utf8(csv.take()).unwrap();
        assert_eq!(
            text,
            "\u{feff}a,b\r\nplain,-7\r\n\"a \"\"b\"\", c\",\r\n\"two\r\nlines\",true\r\n\"'=HYPERLINK(\"\"x\"\")\",\
             1970-01-01T00:00:00.000Z\r\n-5,\u{597d}\r\n"
        );
        assert!(csv.take().is_empty());
    }
}
