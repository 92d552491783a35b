//! Files as real programs wrote them, where they lie beside the project.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use clientele_tabular::survey::{Survey, survey};
use clientele_tabular::{Delimiter, Records, sniff, source};

struct Read {
    encoding: &'static str,
    layout: sniff::Layout,
    survey: Survey,
}

fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    data.is_dir().then_some(data)
}

fn read(path: &Path) -> Read {
    let bytes = fs::read(path).unwrap();
    let unpacked = || source::unpack(bytes.as_slice(), 1 << 30).unwrap();
    let encoding = sniff::encoding(unpacked(), u64::MAX).unwrap().encoding;
    let layout = sniff::layout(&sniff::head(source::decode(unpacked(), encoding)).unwrap());
    let mut records = Records::new(source::decode(unpacked(), encoding), layout.delimiter);
    let survey = survey(&mut records, layout.skip_lines, layout.has_header, u64::MAX).unwrap();
    Read { encoding: encoding.name(), layout, survey }
}

#[test]
fn files_of_real_programs_are_laid_out_as_a_person_sees_them() {
    let Some(data) = data() else { return };
    for (file, encoding, delimiter, skipped, header, columns, rows) in [
        ("crm_formats/csv/atomic_crm_contacts_export.csv", "UTF-8", Delimiter::COMMA, 0, true, 21, 2),
        ("crm_formats/csv/chatwoot_with_bom.csv", "UTF-8", Delimiter::COMMA, 0, true, 3, 1),
        ("crm_formats/csv/mautic_contacts.csv", "UTF-8", Delimiter::COMMA, 0, true, 3, 2),
        ("crm_formats/csv/mautic_contacts_invalid_date.csv", "UTF-8", Delimiter::COMMA, 0, true, 4, 1),
        ("crm_formats/messy/complex.csv", "UTF-8", Delimiter::COMMA, 0, true, 4, 3),
        ("crm_formats/messy/excel_pasting.csv", "UTF-8", Delimiter::COMMA, 3, false, 9, 17),
        ("crm_formats/messy/null.csv", "UTF-8", Delimiter::COMMA, 0, false, 4, 10),
        ("crm_formats/messy/simple.psv", "UTF-8", Delimiter::PIPE, 0, true, 6, 28),
        ("crm_formats/messy/simple.ssv", "UTF-8", Delimiter::SEMICOLON, 0, true, 3, 6),
        ("crm_formats/messy/skip_initials.csv", "UTF-8", Delimiter::COMMA, 0, true, 2, 2),
        ("crm_formats/messy/spanish_chars.csv", "windows-1252", Delimiter::COMMA, 0, true, 8, 115),
        ("crm_formats/messy/utf8bom.csv", "UTF-8", Delimiter::COMMA, 0, true, 2, 0),
        ("crm_formats/messy/weird_head_padding.csv", "UTF-8", Delimiter::SEMICOLON, 11, false, 11, 77),
        ("cdnow/CDNOW_master.txt.gz", "UTF-8", Delimiter::Spaces, 0, true, 4, 69_659),
        ("cdnow/CDNOW_sample.txt.gz", "UTF-8", Delimiter::Spaces, 0, false, 5, 6_919),
        ("olist/olist_order_reviews_sample.csv.gz", "UTF-8", Delimiter::COMMA, 0, true, 7, 3_986),
        ("olist/olist_order_items_sample.csv.gz", "UTF-8", Delimiter::COMMA, 0, true, 7, 4_519),
        ("olist/olist_marketing_qualified_leads.csv.gz", "UTF-8", Delimiter::COMMA, 0, true, 3, 8_000),
        ("olist/product_category_name_translation.csv.gz", "UTF-8", Delimiter::COMMA, 0, true, 2, 71),
    ] {
        let found = read(&data.join(file));
        let layout = found.layout;
        assert_eq!(
            (
                found.encoding,
                layout.delimiter,
                layout.skip_lines,
                layout.has_header,
                found.survey.columns.len(),
                found.survey.rows
            ),
            (encoding, delimiter, skipped, header, columns, rows),
            "{file}"
        );
    }
}

#[test]
fn dates_of_real_files_are_understood() {
    let Some(data) = data() else { return };
    for (file, column, format) in [
        ("cdnow/CDNOW_master.txt.gz", 1, ""),
        ("olist/olist_order_items_sample.csv.gz", 4, ""),
        ("olist/olist_marketing_qualified_leads.csv.gz", 1, "%m/%d/%Y"),
        ("olist/olist_closed_deals_partial.csv.gz", 2, "%m/%d/%Y"),
    ] {
        let found = read(&data.join(file)).survey.columns[column].date().unwrap();
        assert_eq!((found.format, found.doubt), (format, None), "{file}");
    }
}
