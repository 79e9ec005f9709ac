//! Statements within statements.

use super::Statement;

impl Statement {
    /// What stands in the blocks of this statement, under whatever condition.
    pub(crate) fn inner(&self) -> impl Iterator<Item = &Statement> {
        let (body, branches, otherwise): (&[Statement], &[_], &[Statement]) = match self {
            Statement::Module(module) => (&module.body, &[], &[]),
            Statement::Assignment(assignment) => (&assignment.body, &[], &[]),
            Statement::For(repeat) => (&repeat.body, &[], &[]),
            Statement::If(choice) => (&[], &choice.branches, &choice.otherwise),
            _ => (&[], &[], &[]),
        };
        body.iter().chain(branches.iter().flat_map(|(_, body)| body)).chain(otherwise)
    }
}
