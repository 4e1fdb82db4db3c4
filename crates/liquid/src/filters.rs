//! The table of filters.
//!
//! Invariants: the table is sorted by name; a filter pays for what it makes before it makes it.
//! Not here: tags (`parse`, `render`).
//! Source: LiquidJS 10.30 and Elastic's additions, measured.

mod array;
mod date;
mod escape;
mod math;
mod misc;
mod select;
mod text;

use crate::Error;
use crate::render::Renderer;
use crate::value::V;

/// A filter: the input and the evaluated arguments; a named argument arrives as a pair.
pub(crate) type FilterFn = fn(&mut Renderer<'_>, V, &[V]) -> Result<V, Error>;

const FILTERS: &[(&str, FilterFn)] = &[
    ("abs", math::abs),
    ("append", text::append),
    ("array_to_sentence_string", array::array_to_sentence_string),
    ("at_least", math::at_least),
    ("at_most", math::at_most),
    ("base64_decode", escape::base64_decode),
    ("base64_encode", escape::base64_encode),
    ("capitalize", text::capitalize),
    ("ceil", math::ceil),
    ("cgi_escape", escape::cgi_escape),
    ("compact", array::compact),
    ("concat", array::concat),
    ("date", date::date),
    ("date_to_long_string", date::date_to_long_string),
    ("date_to_rfc822", date::date_to_rfc822),
    ("date_to_string", date::date_to_string),
    ("date_to_xmlschema", date::date_to_xmlschema),
    ("default", misc::default),
    ("divided_by", math::divided_by),
    ("downcase", text::downcase),
    ("entries", misc::entries),
    ("escape", escape::escape),
    ("escape_once", escape::escape_once),
    ("find", select::find),
    ("find_exp", select::find_exp),
    ("find_index", select::find_index),
    ("find_index_exp", select::find_index_exp),
    ("first", array::first),
    ("floor", math::floor),
    ("group_by", select::group_by),
    ("group_by_exp", select::group_by_exp),
    ("has", select::has),
    ("has_exp", select::has_exp),
    ("hmac_sha256", escape::hmac_sha256),
    ("inspect", misc::json),
    ("join", array::join),
    ("json", misc::json),
    ("json_parse", misc::json_parse),
    ("jsonify", misc::json),
    ("last", array::last),
    ("lstrip", text::lstrip),
    ("map", array::map),
    ("minus", math::minus),
    ("modulo", math::modulo),
    ("newline_to_br", escape::newline_to_br),
    ("normalize_whitespace", text::normalize_whitespace),
    ("number_of_words", text::number_of_words),
    ("pick", misc::pick),
    ("plus", math::plus),
    ("pop", array::pop),
    ("prepend", text::prepend),
    ("push", array::push),
    ("raw", misc::raw),
    ("reject", select::reject),
    ("reject_exp", select::reject_exp),
    ("remove", text::remove),
    ("remove_first", text::remove_first),
    ("remove_last", text::remove_last),
    ("replace", text::replace),
    ("replace_first", text::replace_first),
    ("replace_last", text::replace_last),
    ("reverse", array::reverse),
    ("round", math::round),
    ("rstrip", text::rstrip),
    ("sample", array::sample),
    ("sha256", escape::sha256),
    ("shift", array::shift),
    ("size", array::size),
    ("slice", text::slice),
    ("slugify", escape::slugify),
    ("sort", array::sort),
    ("sort_natural", array::sort_natural),
    ("split", text::split),
    ("squish", text::squish),
    ("strip", text::strip),
    ("strip_html", escape::strip_html),
    ("strip_newlines", text::strip_newlines),
    ("sum", array::sum),
    ("times", math::times),
    ("to_integer", misc::to_integer),
    ("truncate", text::truncate),
    ("truncatewords", text::truncatewords),
    ("uniq", array::uniq),
    ("unshift", array::unshift),
    ("upcase", text::upcase),
    ("uri_escape", escape::uri_escape),
    ("url_decode", escape::url_decode),
    ("url_encode", escape::url_encode),
    ("where", select::where_),
    ("where_exp", select::where_exp),
    ("xml_escape", escape::escape),
];

/// The filter called `name`.
pub(crate) fn find(name: &str) -> Option<FilterFn> {
    FILTERS.binary_search_by(|(n, _)| (*n).cmp(name)).ok().map(|at| FILTERS[at].1)
}

/// The names of all filters, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|(name, _)| *name)
}

/// The argument at `at`; undefined when there is none.
fn arg(args: &[V], at: usize) -> V {
    args.get(at).cloned().unwrap_or(V::Undef)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sorted() {
        let names: Vec<_> = super::names().collect();
        assert!(names.is_sorted());
        assert!(names.iter().all(|n| super::find(n).is_some()));
    }
}
