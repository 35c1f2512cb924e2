// The table of commands: a family is an entry of kFamilies, a command a line. A command that one of
// the servers lacks is left out of a run, and named.
#include "tests/differential/grammar.h"

namespace respcask::differential {
namespace {

constexpr Row kStrings[] = {
    {"GET key", 40},
    {"SET key val", 40},
    {"SET key val [NX|XX] [GET] [EX sec|PX msec|EXAT at|PXAT msat|KEEPTTL]", 30},
    {"SET key val PX soon", 1},
    {"SET key val EXAT past", 1},
    {"SET key val (EX|PX|EXAT|PXAT) badttl", 3},
    {"SET key val word+", 3},
    {"SETNX key val"},
    {"SETEX key sec val"},
    {"SETEX key badttl val", 2},
    {"PSETEX key msec val"},
    {"PSETEX key badttl val", 2},
    {"GETSET key val"},
    {"GETDEL key"},
    {"GETEX key [EX sec|PX msec|EXAT at|PXAT msat|PERSIST]", 15},
    {"GETEX key (EX|PX|EXAT|PXAT) badttl", 3},
    {"GETEX key (EXAT|PXAT) past", 1},
    {"GETEX key word+", 2},
    {"APPEND key val", 25},
    {"STRLEN key", 15},
    {"SETRANGE key offset val", 15},
    {"GETRANGE key idx idx", 20},
    {"SUBSTR key idx idx", 4},
    {"INCR key", 12},
    {"DECR key"},
    {"INCRBY key int", 12},
    {"DECRBY key int"},
    {"INCRBYFLOAT key float", 15},
    {"MGET key+"},
    {"MSET (key val)+"},
    {"MSETNX (key val)+", 6},
    {"SET lkey lval", 6},
    {"LCS lkey lkey [LEN|IDX [MINMATCHLEN count] [WITHMATCHLEN]]"},
};

constexpr Row kBitmaps[] = {
    {"SETBIT key bitoff bit", 25},
    {"GETBIT key bitoff", 20},
    {"BITCOUNT key [idx idx [BYTE|BIT|word]]", 15},
    {"BITPOS key bit [idx [idx [BYTE|BIT|word]]]", 15},
    {"BITOP (AND|OR|XOR) key key+", 12},
    {"BITOP (NOT|word) key key+", 4},
    {"BITFIELD key (GET ftype fieldoff|SET ftype fieldoff int|INCRBY ftype fieldoff int"
     "|OVERFLOW (WRAP|SAT|FAIL|word))+",
     25},
    {"BITFIELD_RO key (GET ftype fieldoff)+", 8},
    {"BITFIELD_RO key SET u8 0 1", 1},
    {"BITFIELD key", 1},
};

constexpr Row kKeys[] = {
    {"DEL key+", 8},
    {"UNLINK key+", 3},
    {"EXISTS key+", 10},
    {"TYPE key", 10},
    {"TOUCH key+", 3},
    {"RENAME key key", 8},
    {"RENAMENX key key", 5},
    {"COPY key key [DB db] [REPLACE]", 12},
    {"COPY key key DB baddb", 1},
    {"MOVE key db", 8},
    {"MOVE key baddb", 1},
    {"KEYS pattern", 2},
    {"RANDOMKEY", 3},
    {"OBJECT ENCODING key", 25},
    {"OBJECT REFCOUNT key", 3},
    {"OBJECT IDLETIME key", 2},
    {"OBJECT FREQ key", 2},
    {"OBJECT HELP", 1},
    {"OBJECT word [key]", 1},
    {"DUMP key", 12},
    {"RESTORE key (0|msec) payload [REPLACE] [IDLETIME positive|FREQ positive]", 12},
    {"RESTORE key msat payload ABSTTL [REPLACE]", 3},
    {"RESTORE key past payload ABSTTL [REPLACE]", 1},
    {"RESTORE key badttl payload word+", 2},
    {"@SCAN [MATCH pattern] [COUNT positive] [TYPE type]", 3},
    {"SCAN (0|x|99999999999999999999|) (MATCH|COUNT|COUNT 0|COUNT x|word|TYPE)", 2},
    {"SCAN (x|1.5|99999999999999999999)", 1},
};

constexpr Row kExpiry[] = {
    {"EXPIRE key sec [NX|XX|GT|LT|word]", 15},
    {"PEXPIRE key msec [NX|XX|GT|LT|NX XX|GT LT]", 8},
    {"EXPIREAT key at [NX|XX|GT|LT|LT XX]", 8},
    {"PEXPIREAT key msat [NX|XX|GT|LT|GT NX]", 8},
    {"(EXPIRE|PEXPIRE|EXPIREAT|PEXPIREAT) key badttl [NX|XX]", 5},
    {"(EXPIREAT|PEXPIREAT) key past", 2},
    {"PEXPIRE key soon", 1},
    {"TTL key", 10},
    {"PTTL key", 10},
    {"EXPIRETIME key", 8},
    {"PEXPIRETIME key", 8},
    {"PERSIST key", 8},
};

constexpr Row kDatabaseRows[] = {
    {"SELECT db", 12},
    {"SELECT baddb", 2},
    {"SWAPDB db db", 2},
    {"SWAPDB baddb db", 1},
    {"SWAPDB db baddb", 1},
    {"DBSIZE", 10},
    {"FLUSHDB [ASYNC|SYNC|word]", 1},
    {"FLUSHALL [ASYNC|SYNC|word]", 1},
};

constexpr Row kTransactions[] = {
    {"MULTI", 12}, {"EXEC", 6}, {"DISCARD", 2}, {"WATCH key+", 8}, {"UNWATCH", 2},
};

constexpr Row kConnection[] = {
    {"PING [val]", 6},
    {"ECHO val", 4},
    {"HELLO 3", 4},
    {"HELLO 2", 3},
    {"HELLO (1|4|x|-1|3 word|3 AUTH|3 AUTH a b|3 SETNAME|3 SETNAME clientname)", 3},
    {"RESET", 1},
    {"AUTH word [word]", 1},
    {"CLIENT ID", 1},
    {"CLIENT KILL ID (0|-1|9223372036854775807|9223372036854775808|x)", 1},
    {"CLIENT GETNAME", 4},
    {"CLIENT SETNAME clientname", 4},
    {"CLIENT NO-EVICT (ON|OFF|word)", 1},
    {"CLIENT KILL (1.2.3.4:5|ID 123456789|ID x|ADDR 1.2.3.4:5|TYPE foo|word word)", 2},
    {"CLIENT UNBLOCK (123456789|x) [TIMEOUT|ERROR|word]", 1},
    {"CLIENT PAUSE (x|-1)", 1},
    {"CLIENT UNPAUSE", 1},
    {"CLIENT REPLY word", 1},
    // Never switched on: what it then sends has its own tests, in tracking_test.cc.
    {"CLIENT TRACKING (OFF|x|ON x|ON REDIRECT x|ON REDIRECT 123456789|ON OPTIN OPTOUT|ON PREFIX a|"
     "ON BCAST PREFIX ab PREFIX abc|ON BCAST OPTIN|OFF BCAST)",
     2},
    {"CLIENT CACHING (YES|NO|x)", 1},
    {"CLIENT TRACKINGINFO", 1},
    {"CLIENT GETREDIR", 1},
    {"CLIENT HELP", 1},
    {"CLIENT word", 1},
    {"val [val]", 2},
};

constexpr Row kIntrospection[] = {
    {"COMMAND INFO cmd+", 3},
    {"COMMAND GETKEYS (SET key val|MSET (key val)+|BITOP AND key key+|GET key|PING|cmd|cmd key)",
     4},
    {"COMMAND GETKEYSANDFLAGS (SET key val|MSET (key val)+|COPY key key|RENAME key key|cmd key)",
     3},
    {"COMMAND HELP", 1},
    {"COMMAND DOCS cmd+", 2},
    {"COMMAND COUNT", 1},
    {"COMMAND word", 1},
    {"COMMAND LIST FILTERBY (PATTERN get*|ACLCAT bitmap|MODULE x|PATTERN|word word)", 1},
    {"MEMORY USAGE nosuchkey [SAMPLES (5|-1|x)]", 1},
    {"CONFIG GET (databases|maxmemory-policy|nosuch)", 1},
    {"CONFIG SET (nosuch 1|databases 8|nosuch|hz x)", 1},
};

constexpr Row kHashes[] = {
    {"DUMP key", 5},
    {"HSET key (elem val)+", 40},
    {"HMSET key (elem val)+", 5},
    {"HSETNX key elem val"},
    {"HGET key elem", 25},
    {"HMGET key elem+"},
    {"HGETALL key"},
    {"HKEYS key", 4},
    {"HVALS key", 4},
    {"HDEL key elem+", 15},
    {"HEXISTS key elem"},
    {"HLEN key"},
    {"HSTRLEN key elem"},
    {"HINCRBY key elem int", 12},
    {"HINCRBYFLOAT key elem float"},
    {"HRANDFIELD key (0|x|9223372036854775808)", 1},
    {"HRANDFIELD nosuch int [WITHVALUES]", 2},
    {"HSCAN key 0 COUNT positive", 2},
    {"HSCAN key 0 COUNT 100000", 3},
};

constexpr Row kLists[] = {
    {"LPUSH key elem+", 20},
    {"RPUSH key elem+", 25},
    {"LPUSHX key elem+", 3},
    {"RPUSHX key elem+", 3},
    {"LPOP key [count]", 12},
    {"RPOP key [count]", 12},
    {"LLEN key"},
    {"LRANGE key idx idx", 20},
    {"LINDEX key idx", 15},
    {"LSET key idx elem", 12},
    {"LINSERT key (BEFORE|AFTER|word) elem elem", 8},
    {"LREM key count elem"},
    {"LTRIM key idx idx", 5},
    {"LPOS key elem [RANK count] [COUNT count] [MAXLEN count]"},
    {"RPOPLPUSH key key", 6},
    {"LMOVE key key (LEFT|RIGHT|word) (LEFT|RIGHT)", 8},
    {"LMPOP numkeys (LEFT|RIGHT) [COUNT count]", 6},
    {"SORT key [LIMIT idx idx] [ASC|DESC] ALPHA [STORE key]", 6},
    // In the order that it has, only a list has one.
    {"(LPUSH|RPUSH) listkey elem+", 5},
    {"LTRIM listkey 0 40", 1},
    {"(SORT|SORT_RO) listkey [DESC] [LIMIT idx idx] [BY nosort|BY s*|BY h*->m1|BY word]"
     " [GET #|GET s*|GET h*->m1|GET word] [ALPHA]",
     8},
};

constexpr Row kSets[] = {
    {"DUMP key", 5},
    {"SADD key elem+", 40},
    {"SREM key elem+", 15},
    {"SISMEMBER key elem", 15},
    {"SMISMEMBER key elem+"},
    {"SMEMBERS key"},
    {"SCARD key"},
    {"SMOVE key key elem"},
    {"SINTER key+"},
    {"SUNION key+"},
    {"SDIFF key+"},
    {"SINTERCARD numkeys [LIMIT count]"},
    {"SINTERSTORE key key+", 5},
    {"SUNIONSTORE key key+", 5},
    {"SDIFFSTORE key key+", 5},
    {"SPOP key (0|-1|x|10000)", 1},
    {"SRANDMEMBER key (0|x|10000)", 2},
    {"SSCAN key 0 COUNT 100000", 3},
    {"SSCAN key 0 COUNT positive", 2},
    {"SPOP nosuch int", 2},
    {"SRANDMEMBER nosuch int", 2},
    {"SRANDMEMBER key (-9223372036854775808|9223372036854775808)", 1},
    {"SORT key [LIMIT idx idx] [ASC|DESC] ALPHA [STORE key]", 6},
};

constexpr Row kSortedSets[] = {
    {"DUMP key", 5},
    {"ZADD key (score elem)+", 35},
    {"ZADD key [NX|XX|GT|LT|XX GT|NX GT] [CH] [INCR] (score elem)+", 15},
    {"ZADD key [NX|XX] INCR score elem", 6},
    {"ZINCRBY key score elem", 12},
    {"ZREM key elem+", 12},
    {"ZSCORE key elem", 12},
    {"ZMSCORE key elem+"},
    {"ZCARD key"},
    {"ZCOUNT key bound bound"},
    {"ZLEXCOUNT lexkey lexbound lexbound", 5},
    {"ZRANK key elem"},
    {"ZREVRANK key elem"},
    {"ZRANGE key idx idx [REV] [WITHSCORES]", 15},
    {"ZRANGE key bound bound BYSCORE [REV] [LIMIT idx count] [WITHSCORES]", 12},
    // By name only means something where all scores are equal.
    {"ZADD lexkey (0 elem)+", 6},
    {"ZRANGE lexkey lexbound lexbound BYLEX [REV] [LIMIT idx count]", 6},
    {"ZREVRANGE key idx idx [WITHSCORES]"},
    {"ZRANGEBYSCORE key bound bound [WITHSCORES] [LIMIT idx count]"},
    {"ZREVRANGEBYSCORE key bound bound [WITHSCORES]", 5},
    {"ZRANGEBYLEX lexkey lexbound lexbound [LIMIT idx count]", 5},
    {"ZREVRANGEBYLEX lexkey lexbound lexbound", 3},
    {"ZRANGESTORE key key idx idx [REV]", 5},
    {"ZPOPMIN key [count]", 6},
    {"ZPOPMAX key [count]", 6},
    {"ZMPOP numkeys (MIN|MAX) [COUNT count]", 4},
    {"ZREMRANGEBYRANK key idx idx", 4},
    {"ZREMRANGEBYSCORE key bound bound", 4},
    {"ZREMRANGEBYLEX lexkey lexbound lexbound", 3},
    {"ZUNION numkeys [WEIGHTS score score] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]", 6},
    {"ZINTER numkeys [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]", 6},
    {"ZDIFF numkeys [WITHSCORES]", 4},
    {"ZUNIONSTORE key numkeys [AGGREGATE (SUM|MIN|MAX)]", 4},
    {"ZINTERSTORE key numkeys", 4},
    {"ZDIFFSTORE key numkeys", 3},
    {"ZINTERCARD numkeys [LIMIT count]", 4},
    {"ZRANDMEMBER key (0|x)", 1},
    {"ZRANDMEMBER nosuch int [WITHSCORES]", 2},
    {"ZSCAN key 0 COUNT positive", 2},
    {"ZRANGESTORE key key bound bound BYSCORE [REV] [LIMIT idx count]", 3},
    {"ZRANGESTORE key lexkey lexbound lexbound BYLEX [REV] [LIMIT idx count]", 2},
    {"ZUNIONSTORE key numkeys WEIGHTS score score [AGGREGATE (SUM|MIN|MAX)]", 3},
    {"ZINTER numkeys WEIGHTS score score", 2},
    {"ZSCAN key 0 COUNT 100000", 3},
};

constexpr Row kHyperLogLogs[] = {
    {"PFADD key elem+", 20}, {"PFCOUNT key+"},
    {"PFMERGE key key+"},    {"PFDEBUG (ENCODING|DECODE|TODENSE|word) key", 3},
    {"DUMP key", 1},
};

constexpr Row kGeo[] = {
    {"GEOADD key [NX|XX|CH|NX CH|XX CH|NX XX|word] (lon lat elem)+", 40},
    {"GEODIST key elem elem [unit]"},
    {"GEOPOS key [elem+]"},
    {"GEOHASH key [elem+]"},
    {"(GEORADIUS|GEORADIUS_RO) key lon lat distance unit [WITHCOORD] [WITHDIST] [WITHHASH]"
     " [COUNT count [ANY]] [ASC|DESC|word]",
     12},
    {"GEORADIUS key lon lat distance unit [COUNT count] [ASC|DESC] (STORE|STOREDIST) key", 5},
    {"GEORADIUS_RO key lon lat distance unit STORE key", 1},
    {"GEORADIUS key lon lat distance unit WITHDIST STORE key", 1},
    {"(GEORADIUSBYMEMBER|GEORADIUSBYMEMBER_RO) key elem distance unit [WITHCOORD] [WITHDIST]"
     " [WITHHASH] [COUNT count [ANY]] [ASC|DESC|word]",
     12},
    {"GEORADIUSBYMEMBER key elem distance unit [COUNT count] [ASC|DESC] (STORE|STOREDIST) key", 5},
    {"GEOSEARCH key (FROMMEMBER elem|FROMLONLAT lon lat)"
     " (BYRADIUS distance unit|BYBOX distance distance unit) [ASC|DESC] [COUNT count [ANY]]"
     " [WITHCOORD] [WITHDIST] [WITHHASH]",
     20},
    {"GEOSEARCH key (FROMMEMBER elem|FROMLONLAT lon lat|BYRADIUS distance unit|word|ANY|COUNT 1)+",
     3},
    {"GEOSEARCHSTORE key key (FROMMEMBER elem|FROMLONLAT lon lat)"
     " (BYRADIUS distance unit|BYBOX distance distance unit) [ASC|DESC] [COUNT count [ANY]]"
     " [STOREDIST|WITHDIST]",
     8},
    {"ZRANGE key 0 -1 WITHSCORES", 5},
    {"ZREM key elem", 5},
};

// What waits is asked in a transaction, where nothing waits.
constexpr Row kBlockingLists[] = {
    {"RPUSH key elem+", 10},
    {"@MULTI (BLPOP|BRPOP) key+ wait"},
    {"@MULTI BRPOPLPUSH key key wait", 6},
    {"@MULTI BLMOVE key key (LEFT|RIGHT|word) (LEFT|RIGHT) wait", 6},
    {"@MULTI BLMPOP wait numkeys (LEFT|RIGHT) [COUNT count]", 6},
};

constexpr Row kBlockingSortedSets[] = {
    {"ZADD key (score elem)+", 10},
    {"@MULTI (BZPOPMIN|BZPOPMAX) key+ wait"},
    {"@MULTI BZMPOP wait numkeys (MIN|MAX) [COUNT count]", 6},
};

// Nothing is published where somebody listens: a message would come between replies.
constexpr Row kPubsub[] = {
    {"(SUBSCRIBE|SSUBSCRIBE) chan", 1},
    {"PSUBSCRIBE chanpattern", 1},
    {"(UNSUBSCRIBE|SUNSUBSCRIBE) chan", 4},
    {"PUNSUBSCRIBE chanpattern", 4},
    {"(PUBLISH|SPUBLISH) deadchan val", 4},
    {"PUBSUB (NUMSUB|SHARDNUMSUB) chan+", 4},
    {"PUBSUB (CHANNELS|SHARDCHANNELS) [pattern]", 4},
    {"PUBSUB NUMPAT", 4},
    {"PUBSUB HELP", 1},
    {"PUBSUB word", 1},
    {"RESET", 3},
};

constexpr Row kServer[] = {
    {"WAIT 0 int", 2},
    {"WAIT (0|-1|x|9223372036854775808) (0|x|-1|9223372036854775808)", 2},
    {"ROLE", 1},
    {"(READONLY|READWRITE|ASKING)", 1},
    {"CLUSTER (ADDSLOTS|DELSLOTS|SET-CONFIG-EPOCH) 1", 1},
    {"CLUSTER (ADDSLOTSRANGE|DELSLOTSRANGE) 1 2", 1},
    {"CLUSTER (COUNT-FAILURE-REPORTS|FORGET|REPLICAS|REPLICATE|SLAVES) word", 1},
    {"CLUSTER MEET word 1", 1},
    {"CLUSTER SETSLOT 1 STABLE", 1},
    {"CLUSTER "
     "(BUMPEPOCH|FAILOVER|FLUSHSLOTS|HELP|INFO|LINKS|MYID|NODES|RESET|SAVECONFIG|SHARDS|SLOTS)",
     1},
    {"CLUSTER word", 1},
    {"TIME", 1},
    {"(LASTSAVE|LOLWUT)", 1},
    {"LOLWUT VERSION (x|9223372036854775808)", 1},
    {"SLOWLOG GET (x|-2|0|9223372036854775808)", 1},
    {"SLOWLOG (LEN|HELP|RESET|nosuch)", 1},
    {"LATENCY (HELP|LATEST|RESET|nosuch)", 1},
    {"LATENCY (HISTORY|GRAPH) word", 1},
    {"LATENCY (DOCTOR|HISTOGRAM) nosuch x", 1},
    {"MEMORY (HELP|PURGE|nosuch)", 1},
    {"MEMORY (STATS|DOCTOR|MALLOC-STATS) x", 1},
    {"CONFIG (HELP|RESETSTAT|REWRITE|nosuch)", 1},
    {"SCRIPT (HELP|KILL|nosuch)", 1},
    {"SCRIPT EXISTS word+", 1},
    {"SCRIPT FLUSH [SYNC|ASYNC|word]", 1},
    {"FUNCTION (HELP|KILL|LIST|STATS|nosuch)", 1},
    {"FUNCTION FLUSH [SYNC|ASYNC|word]", 1},
    {"FUNCTION DELETE word", 1},
    {"CLIENT (LIST|INFO) word word", 1},
    {"(SAVE|BGSAVE|BGREWRITEAOF|REPLICAOF|SLAVEOF|SHUTDOWN|MONITOR|DEBUG) word word word", 1},
    {"INFO nosuch", 1},
    {"SHUTDOWN (x|NOSAVE SAVE|ABORT)", 1},
    {"RESTORE-ASKING key (0|msec) payload [REPLACE]", 2},
};

constexpr Family kFamilies[] = {
    {"strings", 's', kStrings},
    {"bitmaps", 's', kBitmaps},
    {"keys", '*', kKeys},
    {"expiry", '*', kExpiry},
    {"databases", '*', kDatabaseRows},
    {"transactions", '*', kTransactions},
    {"connection", '*', kConnection},
    {"introspection", '*', kIntrospection},
    {"hashes", 'h', kHashes},
    {"lists", 'q', kLists},
    {"sets", 'm', kSets},
    {"sorted sets", 'z', kSortedSets},
    {"hyperloglogs", 'p', kHyperLogLogs},
    {"geo", 'g', kGeo},
    {"blocking lists", 'q', kBlockingLists},
    {"blocking sorted sets", 'z', kBlockingSortedSets},
    {"pubsub", '*', kPubsub},
    {"server", '*', kServer},
};

}  // namespace

std::span<const Family> families() {
  return kFamilies;
}

}  // namespace respcask::differential
