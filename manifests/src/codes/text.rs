//! Codes of the text of manifests: what the parser refuses, and the traps of KDL.

use super::Code;

codes! { TEXT:
    FILE_TOO_LARGE = "KE0101", "a manifest is too large",
        "A manifest may have 1 MiB. Split it into modules, or move data into the inventory and long texts into templates or files.";
    NOT_UTF8 = "KE0102", "a manifest is not UTF-8",
        "Manifests are UTF-8. The message has the offset of the first wrong byte; `iconv` converts other encodings.";
    FORBIDDEN_CHARACTER = "KE0103", "a character that manifests may not hold",
        "Control characters, byte order marks inside the text and characters that turn the direction of writing can make a text look different from what it is. Inside a string, write them as an escape, such as \"\\u{1b}\".";
    TOO_DEEP = "KE0104", "braces are nested too deep",
        "Blocks may stand 64 deep in one another.";
    SLASHDASH_TOO_DEEP = "KE0105", "`/-` is nested too deep",
        "`/-` may stand 4 deep inside what another `/-` comments out. Remove what is not used.";
    COMMENT_TOO_DEEP = "KE0106", "block comments are nested too deep",
        "`/* */` may stand 16 deep in one another.";
    TOO_MANY_NODES = "KE0107", "a manifest has too many nodes",
        "A manifest may have 20,000 nodes. Repeated resources are better written as a `for` over a variable.";
    TOO_MANY_HASHES = "KE0108", "a raw string has too many hashes",
        "A raw string needs one `#` more than the longest run of `#` after a quote inside it; 16 are the limit.";
    NUMBER_OUT_OF_RANGE = "KE0109", "a number is out of range",
        "Whole numbers have 64 bits, and numbers with a fraction are finite. Longer ones are texts: write them in quotes.";
    NOT_CLOSED = "KE0110", "a string, comment or brace is not closed",
        "The place is where it was opened. A string in \"quotes\" ends on its line; longer ones stand between lines of three quotes.";
    SYNTAX = "KE0111", "the text is not KDL",
        "The parser could not go on here. manifests/README.md shows the forms there are.";
    BARE_KEYWORD = "KE0112", "a keyword without its `#`",
        "KDL writes `#true`, `#false` and `#null`, so that they cannot be taken for names.";
    UNQUOTED = "KE0113", "a value needs quotes",
        "Paths, addresses, durations, lists and everything else that is neither a plain word nor a number stand in quotes.";
    BRACE_THEN_WORD = "KE0114", "something follows a closing brace on its line",
        "A node ends with its block. What comes next, such as `else`, begins on a line of its own.";
    SINGLE_QUOTES = "KE0115", "single quotes are no quotes",
        "KDL takes 'x' as a word that has two apostrophes. Strings stand in double quotes; single quotes belong inside expressions.";
    SWALLOWED_COMMENT = "KE0116", "the rest of an address became a comment",
        "Outside quotes, `//` begins a comment, so `http://x` is the word `http:`. Write the address in quotes.";
    DOLLAR_BRACE = "KE0117", "`${` is no interpolation",
        "Values are put into texts with `{{ name }}`, inside quotes. `$` before a brace is a word with a block.";
    BAD_ESCAPE = "KE0118", "an unknown escape in a string",
        "Strings know \\n \\r \\t \\\\ \\\" \\b \\f \\s and \\u{1F600}. Write regular expressions as raw strings, #\"\\d+\"#, where nothing is an escape.";
    MIXED_SCRIPTS = "KE0119", "a name mixes alphabets",
        "A name that has Latin together with Cyrillic or Greek letters looks like another name. Write it in one alphabet.";
    EMPTY_MANIFEST = "KE0120", "a manifest says nothing",
        "The file has no node. Nothing is wrong with that, but it is rarely meant.";
    LEADING_ZERO = "KE0121", "a number with a leading zero",
        "`0644` is the number 644. File modes are texts, \"0644\"; octal numbers are written 0o644.";
    MISPLACED_PROPERTY = "KE0122", "a property without a node",
        "`key=value` belongs on the line of a node. As a child node the same is `key value`.";
}
