//! Lines that a resource owns in the text of a file: what `line` and `block` have in common.

use std::borrow::Cow;

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::resource::ObserveError;

use crate::ensure::Ensure;
use crate::host::Host;
use crate::pattern::Pattern;
use crate::text_file::missing;

/// [`keel_engine::attributes!`] with the attributes of every part of a text behind the type's own, among
/// which is `path`.
macro_rules! text_part {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident: $type_name:literal { $($own:tt)+ }
        check |$desired:ident| $check:block
    ) => {
        keel_engine::attributes! {
            $(#[doc = $doc])+
            pub struct $name: $type_name {
                $($own)+
                /// Whether what is declared is there.
                pub ensure: $crate::ensure::Ensure = $crate::ensure::Ensure::Present,
                /// New lines come after the last line that this matches; at the end if none does.
                pub after: Option<$crate::pattern::Pattern>,
                /// New lines come before the first line that this matches; at the end if none does.
                pub before: Option<$crate::pattern::Pattern>,
                /// Whether the file is made where it is missing.
                pub create: bool = false,
            }
            check |$desired| $check
        }

        impl $name {
            fn part(&self) -> $crate::text_part::Part<'_> {
                $crate::text_part::Part {
                    path: &self.path,
                    ensure: self.ensure,
                    after: self.after.as_ref(),
                    before: self.before.as_ref(),
                    create: self.create,
                }
            }
        }
    };
}
pub(crate) use text_part;

/// The common attributes of one resource.
pub(crate) struct Part<'a> {
    pub(crate) path: &'a AbsolutePath,
    pub(crate) ensure: Ensure,
    pub(crate) after: Option<&'a Pattern>,
    pub(crate) before: Option<&'a Pattern>,
    pub(crate) create: bool,
}

impl Part<'_> {
    /// What is wrong with the common attributes.
    pub(crate) fn check(&self) -> Vec<AttributeError> {
        let both = self.after.is_some() && self.before.is_some();
        let both = both.then(|| AttributeError::new("after", "and `before` exclude each other"));
        crate::file::check_path("path", self.path).into_iter().chain(both).collect()
    }

    /// The text to look at: that of the file, or an empty one where the file may be missing.
    ///
    /// # Errors
    /// The file, or the folder to make it in, has to come first.
    pub(crate) fn text<'t>(&self, host: &Host, text: Option<&'t str>) -> Result<&'t str, ObserveError> {
        match text {
            Some(text) => Ok(text),
            None if self.ensure == Ensure::Absent => Ok(""),
            None if self.create => host.folders().expect_folder_of(self.path).map(|()| ""),
            None => Err(ObserveError::NotYet(missing(self.path))),
        }
    }

    /// Whether the file comes into being through it.
    pub(crate) fn makes_file(&self) -> bool {
        self.create && self.ensure == Ensure::Present
    }

    /// Where new lines go among those of the file.
    pub(crate) fn insertion_point(&self, lines: &[Cow<'_, str>]) -> usize {
        let is_in = |pattern: Option<&Pattern>, line: &str| pattern.is_some_and(|pattern| pattern.is_in(line));
        let after = || Some(lines.iter().rposition(|line| is_in(self.after, line))? + 1);
        let before = || lines.iter().position(|line| is_in(self.before, line));
        after().or_else(before).unwrap_or(lines.len())
    }
}
