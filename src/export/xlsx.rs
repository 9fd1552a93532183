//! XLSX, zipped as it is made: nothing is kept but what the deflate has in hand.
//!
//! Texts are inline strings, which no spreadsheet runs; those that look like formulas are marked as text besides. Times are dates by the
//! clocks of the shop. What a sheet cannot hold goes on in the next one.

use std::{
    fmt::Write as _,
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use chrono_tz::Tz;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions, write::StreamWriter};

use super::{Cell, Table, formula::is_formula};
use crate::protocol::time::local;

/// The rows of a sheet, its head among them.
const ROWS: usize = 1_048_576;
/// The bytes of a sheet, before they are compressed: beyond 4 GiB not all programs read a ZIP file.
const BYTES: usize = 2 << 30;
/// The longest text of a cell, in UTF-16.
const TEXT: usize = 32_767;
/// How a cell looks: the place in `cellXfs` of [`STYLES`].
const DATE: u8 = 1;
const AS_TEXT: u8 = 2;
/// 1970-01-01 in days of a spreadsheet, and the milliseconds of a day.
const EPOCH: f64 = 25_569.0;
const DAY: f64 = 86_400_000.0;

const CONTENT_TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"#;
const RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/></numFmts><fonts count="1"><font/></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf/><xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="49" quotePrefix="1" applyNumberFormat="1"/></cellXfs></styleSheet>"#;
const SHEET: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>"#;
const SHEET_END: &str = "</sheetData></worksheet>";

pub struct Xlsx {
    columns: &'static [&'static str],
    zone: Tz,
    zip: Option<ZipWriter<StreamWriter<Pipe>>>,
    out: Pipe,
    sheets: usize,
    /// Of the present sheet.
    rows: usize,
    bytes: usize,
    rows_max: usize,
    /// Of the row in hand.
    xml: String,
}

/// Where the ZIP goes, and where it is taken from.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Xlsx {
    pub fn new(columns: &'static [&'static str], zone: Tz) -> io::Result<Xlsx> {
        Xlsx::with_rows(columns, zone, ROWS)
    }

    fn with_rows(columns: &'static [&'static str], zone: Tz, rows_max: usize) -> io::Result<Xlsx> {
        let out = Pipe::default();
        let zip = Some(ZipWriter::new_stream(out.clone()));
        let (sheets, rows, bytes, xml) = (0, 0, 0, String::new());
        let mut xlsx = Xlsx { columns, zone, zip, out, sheets, rows, bytes, rows_max, xml };
        xlsx.part("[Content_Types].xml", CONTENT_TYPES)?;
        xlsx.part("_rels/.rels", RELATIONS)?;
        xlsx.part("xl/styles.xml", STYLES)?;
        xlsx.begin_sheet()?;
        Ok(xlsx)
    }

    fn start(&mut self, name: &str) -> io::Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        if let Some(zip) = &mut self.zip {
            zip.start_file(name, options.compression_level(Some(3)))?;
        }
        Ok(())
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.bytes += text.len();
        self.zip.as_mut().map_or(Ok(()), |zip| zip.write_all(text.as_bytes()))
    }

    fn part(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.start(name)?;
        self.put(text)
    }

    fn begin_sheet(&mut self) -> io::Result<()> {
        self.sheets += 1;
        (self.rows, self.bytes) = (0, 0);
        self.start(&format!("xl/worksheets/sheet{}.xml", self.sheets))?;
        self.put(SHEET)?;
        let head: Vec<Cell<'_>> = self.columns.iter().map(|column| Cell::text(*column)).collect();
        self.line(&head)
    }

    fn line(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let mut xml = mem::take(&mut self.xml);
        xml.clear();
        xml.push_str("<row>");
        for cell in cells {
            self.cell(&mut xml, cell);
        }
        xml.push_str("</row>");
        self.put(&xml)?;
        self.xml = xml;
        self.rows += 1;
        Ok(())
    }

    fn cell(&self, xml: &mut String, cell: &Cell<'_>) {
        let written = match cell {
            Cell::Nothing => write!(xml, "<c/>"),
            Cell::Number(number) => write!(xml, "<c><v>{number}</v></c>"),
            Cell::Flag(flag) => write!(xml, r#"<c t="b"><v>{}</v></c>"#, u8::from(*flag)),
            Cell::Time(at) => {
                let days = EPOCH + local(*at, self.zone).0 as f64 / DAY;
                write!(xml, r#"<c s="{DATE}"><v>{days}</v></c>"#)
            }
            Cell::Text(text) => {
                let style = if is_formula(text) { AS_TEXT } else { 0 };
                let begun = write!(xml, r#"<c t="inlineStr" s="{style}"><is><t xml:space="preserve">"#);
                escape(xml, cut(text));
                xml.push_str("</t></is></c>");
                begun
            }
        };
        // Into a string, nothing fails.
        debug_assert!(written.is_ok());
    }

    fn workbook(&self) -> (String, String) {
        let mut sheets = String::new();
        let mut relations = String::new();
        for n in 1..=self.sheets {
            sheets += &format!(r#"<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>"#);
            relations += &format!(
                r#"<Relationship Id="rId{n}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{n}.xml"/>"#
            );
        }
        let workbook = format!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{sheets}</sheets></workbook>"#
        );
        let relations = format!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}<Relationship Id="rId{}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#,
            self.sheets + 1
        );
        (workbook, relations)
    }
}

impl Table for Xlsx {
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        if self.rows >= self.rows_max || self.bytes >= BYTES {
            self.put(SHEET_END)?;
            self.begin_sheet()?;
        }
        self.line(cells)
    }

    fn end(&mut self) -> io::Result<()> {
        self.put(SHEET_END)?;
        let (workbook, relations) = self.workbook();
        self.part("xl/workbook.xml", &workbook)?;
        self.part("xl/_rels/workbook.xml.rels", &relations)?;
        if let Some(zip) = self.zip.take() {
            zip.finish()?;
        }
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        mem::take(&mut *self.out.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// As much of a text as a cell takes.
fn cut(text: &str) -> &str {
    if text.len() <= TEXT {
        return text;
    }
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > TEXT
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// XML, and what XML cannot hold in the way of ECMA-376, part 1, 22.9.2.19: `_x0007_`; `_x` of a text that looks like it, too.
fn escape(xml: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '_' if is_escape(&text.as_bytes()[at..]) => xml.push_str("_x005F_"),
            '\t' | '\n' => xml.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => xml.push_str(&format!("_x{:04X}_", u32::from(c))),
            c => xml.push(c),
        }
    }
}

/// `_xHHHH_`
fn is_escape(text: &[u8]) -> bool {
    matches!(text, [b'_', b'x', digits @ .., ] if digits.len() >= 5 && digits[..4].iter().all(u8::is_ascii_hexdigit) && digits[4] == b'_')
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use zip::ZipArchive;

    use super::*;
    use crate::{domain::ids::Timestamp, protocol::time::zone};

    fn part(bytes: &[u8], name: &str) -> String {
        let mut text = String::new();
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn table(rows_max: usize, rows: &[[Cell<'_>; 2]]) -> Vec<u8> {
        let mut table = Xlsx::with_rows(&["a", "b"], zone("Europe/Berlin").unwrap(), rows_max).unwrap();
        let mut bytes = table.take();
        for row in rows {
            table.row(row).unwrap();
            bytes.extend(table.take());
        }
        table.end().unwrap();
        bytes.extend(table.take());
        bytes
    }

    #[test]
    fn cells_have_their_kinds() {
        let long = "\u{1f600}".repeat(20_000);
        let bytes = table(
            ROWS,
            &[
                [Cell::text("a <b> & \u{7}_x0007_\r"), Cell::Number(7)],
                [Cell::text("=1+1"), Cell::Time(Timestamp(1_783_339_200_000))],
                [Cell::Nothing, Cell::Flag(true)],
                [Cell::text(long.as_str()), Cell::text("-5")],
            ],
        );
        let sheet = part(&bytes, "xl/worksheets/sheet1.xml");
        let text = |style: u8, text: &str| {
            format!(r#"<c t="inlineStr" s="{style}"><is><t xml:space="preserve">{text}</t></is></c>"#)
        };
        assert!(sheet.contains(&format!("<row>{}{}</row>", text(0, "a"), text(0, "b"))), "{sheet}");
        assert!(sheet.contains(&text(0, "a &lt;b&gt; &amp; _x0007__x005F_x0007__x000D_")), "{sheet}");
        assert!(sheet.contains(&(text(2, "=1+1") + r#"<c s="1"><v>46209.58333333333</v></c>"#)), "{sheet}");
        assert!(sheet.contains(r#"<c/><c t="b"><v>1</v></c>"#));
        assert!(sheet.contains(&text(0, &"\u{1f600}".repeat(TEXT / 2))), "what a cell takes");
        assert!(sheet.contains(&text(0, "-5")) && sheet.ends_with(SHEET_END));
    }

    #[test]
    fn what_a_sheet_cannot_hold_goes_on_in_the_next() {
        let rows: Vec<[Cell<'_>; 2]> = (0..5).map(|n| [Cell::Number(n), Cell::Nothing]).collect();
        let bytes = table(3, &rows);
        let numbers = |name: &str| part(&bytes, name).matches("<v>").count();
        assert_eq!(numbers("xl/worksheets/sheet1.xml"), 2);
        assert_eq!(numbers("xl/worksheets/sheet2.xml"), 2);
        assert_eq!(numbers("xl/worksheets/sheet3.xml"), 1);
        assert!(part(&bytes, "xl/worksheets/sheet3.xml").contains(">b</t>"), "each has the head");
        assert!(part(&bytes, "xl/workbook.xml").contains(r#"sheetId="3""#));
    }

    #[test]
    fn memory_stays_the_same() {
        let mut table = Xlsx::new(&["a"], Tz::UTC).unwrap();
        let mut most = 0;
        for n in 0..50_000 {
            table.row(&[Cell::text(format!("row {n}"))]).unwrap();
            most = most.max(table.take().capacity());
        }
        assert!(most < 1 << 20, "{most} bytes at once");
    }
}
