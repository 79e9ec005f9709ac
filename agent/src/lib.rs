//! The program `keel`: the agent and the operator's commands.
