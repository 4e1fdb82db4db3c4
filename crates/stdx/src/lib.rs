//! Foundations that std might have had: values, time, ids, spans, diagnostics, bounded collections.
