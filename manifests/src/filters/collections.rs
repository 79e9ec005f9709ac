//! Filters on lists and tables by Ansible's names.

use indexmap::IndexMap;
use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, Value};

use super::{refuse, split_kwargs};

/// How deeply `flatten` and `combine` go.
const MAX_DEPTH: usize = 64;

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter("combine", combine);
    environment.add_filter("dict2items", dict2items);
    environment.add_filter("items2dict", items2dict);
    environment.add_filter("flatten", flatten);
    environment.add_filter("difference", |a: &Value, b: &Value| select(a, |item| Ok(!has(b, item)?)));
    environment.add_filter("intersect", |a: &Value, b: &Value| select(a, |item| has(b, item)));
    environment.add_filter("union", |a: &Value, b: &Value| {
        let both = a.try_iter()?.checked().chain(b.try_iter()?.checked()).collect::<Result<Vec<_>, _>>()?;
        select(&Value::from(both), |_| Ok(true))
    });
    environment.add_filter("symmetric_difference", |a: &Value, b: &Value| {
        let both = a.try_iter()?.checked().chain(b.try_iter()?.checked()).collect::<Result<Vec<_>, _>>()?;
        select(&Value::from(both), |item| Ok(has(a, item)? != has(b, item)?))
    });
}

/// Whether a list has an item.
pub(super) fn has(list: &Value, item: &Value) -> Result<bool, Error> {
    for candidate in list.try_iter()?.checked() {
        if candidate? == *item {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The items that are wanted, in order, each once.
fn select(list: &Value, wanted: impl Fn(&Value) -> Result<bool, Error>) -> Result<Value, Error> {
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::new();
    for item in list.try_iter()?.checked() {
        let item = item?;
        if wanted(&item)? && seen.insert(item.clone()) {
            kept.push(item);
        }
    }
    Ok(Value::from(kept))
}

/// What happens to lists that stand at the same key of combined tables.
#[derive(Clone, Copy, PartialEq)]
enum ListMerge {
    Replace,
    Keep,
    Append,
    Prepend,
}

/// `combine(other, ..., recursive=true, list_merge='append')`: later tables win.
fn combine(first: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let (others, kwargs) = split_kwargs(args.into_values())?;
    let recursive = kwargs.get::<Option<bool>>("recursive")?.unwrap_or(false);
    let lists = match kwargs.get::<Option<&str>>("list_merge")?.unwrap_or("replace") {
        "replace" => ListMerge::Replace,
        "keep" => ListMerge::Keep,
        "append" => ListMerge::Append,
        "prepend" => ListMerge::Prepend,
        other => return Err(refuse(format!("`list_merge` is `replace`, `keep`, `append` or `prepend`, not `{other}`"))),
    };
    kwargs.assert_all_used()?;
    // A list of tables is combined in its order, as Ansible does.
    let mut tables = Vec::new();
    for value in std::iter::once(first).chain(others) {
        match value.kind() {
            ValueKind::Seq => tables.extend(value.try_iter()?),
            _ => tables.push(value),
        }
    }
    let mut tables = tables.into_iter();
    let mut combined = tables.next().ok_or_else(|| refuse("`combine` takes tables"))?;
    check_table(&combined)?;
    for table in tables {
        check_table(&table)?;
        combined = combine_two(&combined, &table, recursive, lists, 0)?;
    }
    Ok(combined)
}

fn check_table(value: &Value) -> Result<(), Error> {
    if value.kind() == ValueKind::Map { Ok(()) } else { Err(refuse(format!("`combine` takes tables, not a {}", value.kind()))) }
}

fn combine_two(weak: &Value, strong: &Value, recursive: bool, lists: ListMerge, depth: usize) -> Result<Value, Error> {
    if depth > MAX_DEPTH {
        return Err(refuse("these tables are nested too deeply"));
    }
    let mut combined = pairs(weak)?;
    for (key, value) in pairs(strong)? {
        let merged = match combined.get(&key) {
            Some(old) if recursive && old.kind() == ValueKind::Map && value.kind() == ValueKind::Map => {
                combine_two(old, &value, recursive, lists, depth + 1)?
            }
            Some(old) if lists != ListMerge::Replace && old.kind() == ValueKind::Seq && value.kind() == ValueKind::Seq => {
                let (front, back) = if lists == ListMerge::Append { (old, &value) } else { (&value, old) };
                match lists {
                    ListMerge::Keep => old.clone(),
                    _ => Value::from(front.try_iter()?.chain(back.try_iter()?).collect::<Vec<_>>()),
                }
            }
            _ => value,
        };
        combined.insert(key, merged);
    }
    Ok(Value::from_pairs(combined))
}

fn pairs(table: &Value) -> Result<IndexMap<Value, Value>, Error> {
    table.try_iter()?.map(|key| Ok((key.clone(), table.get_item(&key)?))).collect()
}

fn dict2items(table: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    check_table(table).map_err(|_| refuse(format!("`dict2items` takes a table, not a {}", table.kind())))?;
    let key_name = kwargs.get::<Option<&str>>("key_name")?.unwrap_or("key");
    let value_name = kwargs.get::<Option<&str>>("value_name")?.unwrap_or("value");
    kwargs.assert_all_used()?;
    let items = pairs(table)?.into_iter().map(|(key, value)| Value::from_pairs([(key_name, key), (value_name, value)]));
    Ok(Value::from(items.collect::<Vec<_>>()))
}

fn items2dict(items: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    let key_name = kwargs.get::<Option<&str>>("key_name")?.unwrap_or("key");
    let value_name = kwargs.get::<Option<&str>>("value_name")?.unwrap_or("value");
    kwargs.assert_all_used()?;
    let mut table = IndexMap::new();
    for item in items.try_iter()? {
        let (key, value) = (item.get_attr(key_name)?, item.get_attr(value_name)?);
        if key.is_undefined() || value.is_undefined() {
            return Err(refuse(format!("an item has no `{key_name}` or no `{value_name}`")));
        }
        table.insert(key, value);
    }
    Ok(Value::from_pairs(table))
}

/// Takes lists out of lists, all of them or so many levels. Nulls are left out, as in Ansible.
fn flatten(list: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    let levels = kwargs.get::<Option<usize>>("levels")?.unwrap_or(MAX_DEPTH);
    let skip_nulls = kwargs.get::<Option<bool>>("skip_nulls")?.unwrap_or(true);
    kwargs.assert_all_used()?;
    let mut flat = Vec::new();
    flatten_into(list, levels.min(MAX_DEPTH) + 1, skip_nulls, &mut flat)?;
    Ok(Value::from(flat))
}

fn flatten_into(list: &Value, levels: usize, skip_nulls: bool, flat: &mut Vec<Value>) -> Result<(), Error> {
    for item in list.try_iter()?.checked() {
        let item = item?;
        match item.kind() {
            ValueKind::Seq | ValueKind::Iterable if levels > 1 => flatten_into(&item, levels - 1, skip_nulls, flat)?,
            ValueKind::None if skip_nulls => {}
            _ => flat.push(item),
        }
        if flat.len() > 200_000 {
            return Err(refuse("`flatten` makes too long a list"));
        }
    }
    Ok(())
}
