//! Tables: columns as wide as their widest cell, the last one as long as it likes.

/// Lines of a table without a frame. Widths count characters, so cells come without colour.
pub fn lines(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [vec!["db-1".to_owned(), "é".to_owned(), "x".to_owned()], vec!["a".to_owned(), "long".to_owned(), String::new()]];
        assert_eq!(lines(&["HOST", "B", "C"], &rows), ["HOST  B     C", "db-1  é     x", "a     long"]);
    }
}
