//! Enums whose variants are words of the language.

/// Makes an enum whose variants are words of the language, with its [`AttributeValue`](crate::attributes::AttributeValue).
///
/// ```
/// keel_engine::choices! {
///     /// Whether the thing is there.
///     pub enum Ensure {
///         /// It is.
///         Present = "present",
///         /// It is not.
///         Absent = "absent",
///     }
/// }
/// assert_eq!(Ensure::Absent.as_str(), "absent");
/// ```
#[macro_export]
macro_rules! choices {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// The word in manifests.
            $vis fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::attributes::AttributeValue for $name {
            fn kind() -> $crate::schema::Kind {
                $crate::schema::Kind::Enum(vec![$($word.to_owned()),+])
            }
            fn read(value: &$crate::value::Value) -> Result<Self, String> {
                match value.as_str() {
                    $(Some($word) => Ok($name::$variant),)+
                    _ => Err($crate::attributes::check_kind(&<Self as $crate::attributes::AttributeValue>::kind(), value).err().unwrap_or_default()),
                }
            }
        }
    };
}
