//! Filters on lists and tables by Ansible's names.

use indexmap::IndexMap;
use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, Value};

use super::{refuse, split_kwargs};
use crate::codes;
use crate::evaluation_error::EvalError;

/// How deeply `flatten` and `combine` go.
const MAX_DEPTH: usize = 64;

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter("combine", combine);
    environment.add_filter("dict2items", dict2items);
    environment.add_filter("items2dict", items2dict);
    environment.add_filter("flatten", flatten);
    environment.add_filter("difference", |a: &Value, b: &Value| select(a, |item| Ok(!has(b, item)?)));
    environment.add_filter("intersect", |a: &Value, b: &Value| select(a, |item| has(b, item)));
    environment.add_filter("product", product);
    environment.add_filter("combinations", |list: &Value, size: usize| choices_of(list, size, Order::Given));
    environment.add_filter("permutations", |list: &Value, size: Option<usize>| {
        choices_of(list, size.or(list.len()).unwrap_or_default(), Order::Every)
    });
    environment.add_filter("zip_longest", zip_longest);
    environment.add_filter("extract", extract);
    environment.add_filter("subelements", subelements);
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

/// The most items that one filter makes.
const MAX_ITEMS: usize = 200_000;

fn items_of(list: &Value) -> Result<Vec<Value>, Error> {
    list.try_iter()?.checked().collect()
}

/// `a | product(b, c)`: every item with every item of the others, as lists.
fn product(first: Value, others: Rest<Value>) -> Result<Value, Error> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in std::iter::once(&first).chain(others.iter()) {
        let items = items_of(list)?;
        if rows.len().saturating_mul(items.len()) > MAX_ITEMS {
            return Err(refuse("`product` makes too long a list"));
        }
        let longer = |row: &Vec<Value>| items.iter().map(|item| [row.as_slice(), std::slice::from_ref(item)].concat()).collect::<Vec<_>>();
        rows = rows.iter().flat_map(longer).collect();
    }
    Ok(Value::from(rows.into_iter().map(Value::from).collect::<Vec<_>>()))
}

/// In which orders chosen items come.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Given,
    Every,
}

/// So many items of a list, in all ways there are.
fn choices_of(list: &Value, size: usize, order: Order) -> Result<Value, Error> {
    let items = items_of(list)?;
    let mut chosen: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..size.min(items.len() + 1) {
        let mut longer = Vec::new();
        for positions in &chosen {
            let start = if order == Order::Given { positions.last().map_or(0, |last| last + 1) } else { 0 };
            for position in (start..items.len()).filter(|position| !positions.contains(position)) {
                longer.push([positions.as_slice(), &[position]].concat());
            }
            if longer.len() > MAX_ITEMS {
                return Err(refuse("there are too many ways to choose these items"));
            }
        }
        chosen = longer;
    }
    let row =
        |positions: Vec<usize>| Value::from(positions.into_iter().filter_map(|position| items.get(position).cloned()).collect::<Vec<_>>());
    Ok(Value::from(chosen.into_iter().map(row).collect::<Vec<_>>()))
}

/// `a | zip_longest(b, fillvalue='')`
fn zip_longest(first: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let (others, kwargs) = split_kwargs(args.into_values())?;
    let fill = kwargs.get::<Option<Value>>("fillvalue")?.unwrap_or_else(|| Value::from(()));
    kwargs.assert_all_used()?;
    let lists = std::iter::once(&first).chain(&others).map(items_of).collect::<Result<Vec<_>, _>>()?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    let row = |position: usize| Value::from(lists.iter().map(|list| list.get(position).unwrap_or(&fill).clone()).collect::<Vec<_>>());
    Ok(Value::from((0..longest).map(row).collect::<Vec<_>>()))
}

/// `key | extract(container, 'further', ...)`: what the container holds under the key, usually with `map`.
fn extract(key: Value, container: Value, further: Rest<Value>) -> Result<Value, Error> {
    let mut keys = vec![key];
    for value in further.iter() {
        match value.kind() {
            ValueKind::Seq => keys.extend(items_of(value)?),
            _ => keys.push(value.clone()),
        }
    }
    let mut found = container;
    for key in keys {
        found = found.get_item(&key)?;
        if found.is_undefined() {
            return Err(EvalError::new(codes::UNDEFINED, format!("`extract` finds nothing under `{key}`")).into());
        }
    }
    Ok(found)
}

/// `users | subelements('keys', skip_missing=true)`: every item with each part of its list.
fn subelements(list: &Value, path: &str, kwargs: Kwargs) -> Result<Value, Error> {
    let skip_missing = kwargs.get::<Option<bool>>("skip_missing")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let items = if list.kind() == ValueKind::Map { pairs(list)?.into_values().collect() } else { items_of(list)? };
    let mut rows = Vec::new();
    for item in items {
        let parts = path.split('.').try_fold(item.clone(), |value, key| value.get_attr(key))?;
        if parts.is_undefined() && skip_missing {
            continue;
        }
        if parts.is_undefined() {
            let error = EvalError::new(codes::UNDEFINED, format!("an item that `subelements` takes has no `{path}`"));
            return Err(error.help("write `skip_missing=true` where it may be missing").into());
        }
        rows.extend(items_of(&parts)?.into_iter().map(|part| Value::from(vec![item.clone(), part])));
        if rows.len() > MAX_ITEMS {
            return Err(refuse("`subelements` makes too long a list"));
        }
    }
    Ok(Value::from(rows))
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
        if flat.len() > MAX_ITEMS {
            return Err(refuse("`flatten` makes too long a list"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &[i64]) -> Value {
        Value::from(list.to_vec())
    }

    #[test]
    fn lists_are_put_together_as_in_python() {
        let product = product(numbers(&[1, 2]), Rest(vec![numbers(&[3, 4])])).unwrap();
        assert_eq!(product.to_string(), "[[1, 3], [1, 4], [2, 3], [2, 4]]");
        assert_eq!(choices_of(&numbers(&[1, 2, 3]), 2, Order::Given).unwrap().to_string(), "[[1, 2], [1, 3], [2, 3]]");
        assert_eq!(choices_of(&numbers(&[1, 2]), 2, Order::Every).unwrap().to_string(), "[[1, 2], [2, 1]]");
        assert_eq!(choices_of(&numbers(&[1, 2]), 3, Order::Every).unwrap().to_string(), "[]");
        assert!(choices_of(&Value::from((0..100).collect::<Vec<i64>>()), 50, Order::Given).is_err());
        let long = numbers(&[0; 1000]);
        assert!(super::product(long.clone(), Rest(vec![long])).is_err());
    }

    #[test]
    fn parts_are_taken_out() {
        let table = Value::from_pairs([("a", Value::from_pairs([("x", 1)]))]);
        assert_eq!(extract(Value::from("a"), table.clone(), Rest(vec![Value::from("x")])).unwrap(), Value::from(1));
        assert!(extract(Value::from("b"), table, Rest(Vec::new())).is_err());
    }
}
