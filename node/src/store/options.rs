//! How the database is set up.

use super::{FAMILIES, VIEWS};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, Options,
};

/// Memory for blocks of the database that were read.
const CACHE_BYTES: usize = 16 << 20;
/// Memory for what was written and is not in a file yet, of all families.
const WRITE_BUFFERS_BYTES: usize = 32 << 20;
/// Of one family.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// Of views: most of their rows are over after some slots, and never reach a file if they are in memory until then.
const VIEWS_WRITE_BUFFER_BYTES: usize = 16 << 20;
/// The log of the database. When it is as long, everything in memory goes into files: this bounds memory where little is
/// written, and what a start reads.
const LOG_BYTES: u64 = 16 << 20;

/// What of a database that is missing is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// All of it.
    Made,
    /// Nothing: it has to be there.
    Refused,
}

/// What the end of the database's log may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Whole, or cut off.
    Whole,
    /// Anything: from the first thing on that cannot be read, it is passed over.
    Any,
}

/// The options of the database, and its families.
pub(super) fn of(missing: Missing, tail: Tail) -> (Options, Vec<ColumnFamilyDescriptor>) {
    let mut options = Options::default();
    #[cfg(test)]
    options.enable_statistics();
    options.create_if_missing(missing == Missing::Made);
    options.create_missing_column_families(missing == Missing::Made);
    options.set_wal_recovery_mode(match tail {
        Tail::Whole => DBRecoveryMode::TolerateCorruptedTailRecords,
        Tail::Any => DBRecoveryMode::PointInTime,
    });
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(LOG_BYTES);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_max_open_files(256);
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let family = |name: &str| {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_bloom_filter(10.0, false);
        // In pieces of a block's size: whole, those of a large file would push each other out of the cache, and be read anew for
        // each row.
        table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        table.set_partition_filters(true);
        table.set_pin_top_level_index_and_filter(true);
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_write_buffer_size(match name {
            VIEWS => VIEWS_WRITE_BUFFER_BYTES,
            _ => WRITE_BUFFER_BYTES,
        });
        // Most of what views read is hashes in trees, in no order: to unpack a block for each was a third of executing.
        options.set_compression_type(match name {
            VIEWS => DBCompressionType::None,
            _ => DBCompressionType::Lz4,
        });
        ColumnFamilyDescriptor::new(name, options)
    };
    (options, FAMILIES.iter().map(|name| family(name)).collect())
}
