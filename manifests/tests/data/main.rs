//! Inventory, variables, expressions, templates and secrets of small sites, through the public interface.

#[cfg(test)]
mod expressions;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod platform;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod support;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod variables;
