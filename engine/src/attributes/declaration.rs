//! The declaration of a type: its attributes with their types, defaults and documentation.

/// Makes a type's attribute struct, its schema (from the doc comments) and its reader.
///
/// A field's type decides whether it is required: `Option`, `Vec` and maps may be missing, others may
/// not unless a default stands behind `=`. The field marked `[title]` is taken from the title when
/// it is not given. One `[block]` field may be written as the resource's own child nodes. A `[secret]` field holds
/// a password or the like; what only says how a change is made is marked `[how]`.
/// An optional `check |desired| { ... }` block returns the errors that concern several attributes.
///
/// ```
/// keel_engine::attributes! {
///     /// A greeting on the wall.
///     ///
///     /// Everybody who passes reads it.
///     pub struct Greeting: "greeting" {
///         /// Whom to greet.
///         [title] pub name: String,
///         /// How often.
///         pub times: i64 = 1,
///     }
///     check |desired| {
///         if desired.times < 1 {
///             vec![keel_engine::attributes::AttributeError::new("times", "at least once")]
///         } else {
///             vec![]
///         }
///     }
/// }
/// use keel_engine::attributes::Attributes;
/// let greeting = Greeting::from_attributes("world", &Default::default()).unwrap();
/// assert_eq!((greeting.name.as_str(), greeting.times), ("world", 1));
/// assert_eq!(Greeting::schema().title_attribute, "name");
/// ```
#[macro_export]
macro_rules! attributes {
    (
        $(#[doc = $doc:literal])+
        $vis:vis struct $name:ident: $type_name:literal {
            $(
                $(#[doc = $field_doc:literal])+
                $([$marker:ident])?
                pub $field:ident: $field_type:ty $(= $default:expr)?
            ),+ $(,)?
        }
        $(check |$desired:ident| $check:block)?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        #[allow(missing_docs, unreachable_pub)]
        $vis struct $name {
            $(pub $field: $field_type,)+
        }

        impl $crate::attributes::Attributes for $name {
            fn schema() -> $crate::schema::TypeSchema {
                #[allow(unused_mut, unused_assignments)]
                let mut title_attribute = "";
                #[allow(unused_mut, unused_assignments)]
                let mut block = None;
                let mut attributes = Vec::new();
                $(
                    $($crate::attributes!(@mark $marker, $field, title_attribute, block);)?
                    #[allow(unused_mut, unused_assignments)]
                    let mut default: Option<String> = None;
                    #[allow(unused_mut, unused_assignments)]
                    let mut required = <$field_type as $crate::attributes::AttributeValue>::when_missing().is_none();
                    $(default = Some($crate::attributes::show_default(stringify!($default))); required = false;)?
                    attributes.push($crate::schema::AttributeSchema {
                        name: $crate::attributes!(@name $field),
                        doc: concat!($($field_doc, "\n",)+),
                        kind: <$field_type as $crate::attributes::AttributeValue>::kind(),
                        required,
                        default,
                        secret: $crate::attributes!(@is secret $($marker)?),
                        how: $crate::attributes!(@is how $($marker)?),
                    });
                )+
                for attribute in &mut attributes {
                    if attribute.name == title_attribute {
                        attribute.required = false;
                    }
                }
                $crate::schema::TypeSchema { name: $type_name, doc: concat!($($doc, "\n",)+), title_attribute, attributes, block }
            }

            fn from_attributes(title: &str, attributes: &$crate::value::Map) -> Result<Self, Vec<$crate::attributes::AttributeError>> {
                let mut reader = $crate::attributes::Reader::new(title, attributes);
                $(
                    #[allow(unused_mut, unused_assignments)]
                    let mut from_title = false;
                    $($crate::attributes!(@title $marker, from_title);)?
                    #[allow(unused_mut, unused_assignments)]
                    let mut default: Option<$field_type> = None;
                    $(if !reader.has($crate::attributes!(@name $field)) { default = Some($default); })?
                    let $field = reader.read::<$field_type>($crate::attributes!(@name $field), from_title, default);
                )+
                reader.refuse_unknown(&[$($crate::attributes!(@name $field)),+]);
                let errors = reader.into_errors();
                let desired = match ($($field,)+) {
                    ($(Some($field),)+) if errors.is_empty() => Self { $($field),+ },
                    _ => return Err(errors),
                };
                let errors = desired.check();
                if errors.is_empty() { Ok(desired) } else { Err(errors) }
            }

            $(fn check(&self) -> Vec<$crate::attributes::AttributeError> {
                let $desired = self;
                $check
            })?
        }
    };
    (@mark title, $field:ident, $title:ident, $block:ident) => { $title = $crate::attributes!(@name $field); };
    (@mark block, $field:ident, $title:ident, $block:ident) => { $block = Some($crate::attributes!(@name $field)); };
    (@mark $marker:ident, $field:ident, $title:ident, $block:ident) => {};
    (@title title, $from_title:ident) => { $from_title = true; };
    (@title $marker:ident, $from_title:ident) => {};
    (@is secret secret) => { true };
    (@is how how) => { true };
    (@is $asked:ident $($marker:ident)?) => { false };
    (@name $field:ident) => { $crate::attributes::attribute_name(stringify!($field)) };
}

/// The attribute's name for a field's: raw identifiers (`r#match`) lose their prefix.
pub const fn attribute_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// How the manual prints a default that the macro got as source text.
pub fn show_default(source: &str) -> String {
    let source = source.trim();
    if let Some(seconds) = source.strip_prefix("Span(Duration::") {
        let digits: String = seconds.chars().filter(char::is_ascii_digit).collect();
        return super::Span(std::time::Duration::from_secs(digits.parse().unwrap_or(0))).to_string();
    }
    let word = source.rsplit("::").next().unwrap_or(source);
    let word = word.trim_end_matches(".to_owned()").trim_end_matches(".into()");
    word.trim().trim_matches('"').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_shown_as_a_manifest_would_have_them() {
        for (source, shown) in [
            ("Span(Duration::from_secs(300))", "5m"),
            ("Span(Duration::from_secs(2))", "2s"),
            ("Span(Duration::from_secs(7200))", "2h"),
            ("Span(Duration::from_secs(90))", "90s"),
            ("Span(Duration::ZERO)", "0s"),
            ("Ensure::Present", "present"),
            ("$crate :: Ensure :: Present", "present"),
            ("\"root\".to_owned()", "root"),
            ("100", "100"),
        ] {
            assert_eq!(show_default(source), shown);
        }
    }
}
