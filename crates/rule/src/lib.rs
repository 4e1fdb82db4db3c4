//! Detection rules: loading, matchers, the dispatcher.
