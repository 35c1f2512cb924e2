#!/usr/bin/env python3
"""usage: record_keyspace_events.py PORT [PORT]

Runs each of the commands below on the redis-server at PORT and prints tests/server/redis_events.h:
what it told to subscribers of keyspace events, and how much of it to a subscriber that runs the
command itself in front of the reply. With a second PORT it compares that server with it and prints
the differences instead; its exit status is then 1 if there are any. Both are emptied.
"""
import socket
import sys

# Commands to run first, separated by "; ", and the command whose events are looked at.
ROWS = """
| set k 1
set k 1 | set k 2
| set k 1 ex 100
set k 1 ex 100 | set k 2 keepttl
set k 1 | set k 2 nx
| set k 1 xx
set k 1 | set k 2 get
set k 1 | set k 2 exat 1
| setex k 100 1
| psetex k 100000 1
| setnx k 1
set k 1 | setnx k 2
set k 1 | getset k 2
| getset k 2
set k 1 | getdel k
| getdel k
set k 1 | getex k
set k 1 | getex k ex 100
set k 1 ex 100 | getex k persist
set k 1 | getex k persist
set k 1 | getex k exat 1
| getex k
| mset k 1 l 2 k 3
| msetnx k 1 l 2
set l 1 | msetnx k 1 l 2
| append k a
set k a | append k b
set k a | append k ""
| setrange k 3 x
set k a | setrange k 1 x
| setrange k 0 ""
| incr k
set k 1 | decr k
| incrby k 3
| decrby k 3
| incrbyfloat k 1.5
| setbit k 3 1
set k a | setbit k 3 0
| bitfield k set u8 0 1
| bitfield k set u8 0 1 incrby u8 8 1
| bitfield k get u8 0
| bitfield k incrby u8 0 300
set k a | bitfield k set u8 0 1 get u8 0
| bitfield k overflow fail incrby u2 0 5
set l a | bitop not k l
set k a | bitop and k none
| bitop and k none
set l a; set k b | bitop or k l
| get k
set k 1 | get k
| mget k l
| strlen k
| getrange k 0 1
| exists k
| ttl k
| type k
| touch k
| object encoding k
set k 1 | touch k
| getbit k 1
| bitcount k
| lcs k l
set k 1 | del k l
set k 1; set l 1 | del k l k
set k 1 | unlink k
| del k
set k 1 | expire k 100
set k 1 | pexpire k 100000
set k 1 | expireat k 99999999999
set k 1 | pexpireat k 99999999999999
set k 1 | expire k -1
set k 1 | expireat k 1
set k 1 | pexpireat k 1
set k 1 | expire k 0
| expire k 100
set k 1 ex 100 | expire k 200 nx
set k 1 ex 100 | expire k 200 gt
set k 1 ex 100 | persist k
set k 1 | persist k
set k 1 | rename k l
set k 1; set l 2 | rename k l
set k 1 | rename k k
set k 1 ex 100 | rename k l
set k 1 | renamenx k l
set k 1; set l 2 | renamenx k l
rpush k a b | rename k l
set k 1 | copy k l
set k 1 ex 100 | copy k l
set k 1; set l 2 | copy k l replace
set k 1; set l 2 | copy k l
set k 1 | copy k k db 1
| copy k l
set k 1 | move k 1
set k 1 ex 100 | move k 1
set k 1; select 1; set k 2; select 0 | move k 1
| restore k 0 "\\x00\\x03abc\\x0a\\x00\\xa0\\x4f\\xe8\\xda\\x2b\\x33\\x5c\\x2a"
set k 1 | flushdb
set k 1 | flushall
set k 1 | swapdb 0 1
rpush k 3 1 2 | sort k
rpush k 3 1 2 | sort k store l
rpush k 3 1 2; set l 1 | sort k store l
set l 1 | sort k store l
| sort k store l
rpush k 3 1 2 | sort k store k
| lpush k a b
rpush k a | lpush k b
| rpush k a
| lpushx k a
rpush k a | rpushx k b
rpush k a | lpushx k b
rpush k a b | lpop k
rpush k a | lpop k
rpush k a b c | rpop k 2
rpush k a b c | rpop k 3
rpush k a b c | rpop k 0
| lpop k
rpush k a b | lset k 0 c
rpush k a b | linsert k before b c
rpush k a b | linsert k before z c
rpush k a b a | lrem k 0 a
rpush k a a | lrem k 0 a
rpush k a | lrem k 0 z
rpush k a b c | ltrim k 1 1
rpush k a b c | ltrim k 5 6
rpush k a b c | ltrim k 0 -1
| ltrim k 0 1
rpush k a b | lmove k l left right
rpush k a | lmove k l left right
rpush k a b | lmove k k left right
rpush k a | lmove k k left right
rpush k a; rpush l b | rpoplpush k l
| rpoplpush k l
rpush k a b | lmpop 2 l k left
rpush k a | lmpop 1 k right count 5
| lmpop 1 k left
rpush k a b | blpop k 0
rpush k a | brpop l k 0
rpush k a b | blmove k l left right 0
rpush k a b | brpoplpush k l 0
rpush k a; rpush l b | blmove k l left left 0
rpush k a b | brpoplpush k k 0
rpush k a b | blmpop 0 1 k left
| lrange k 0 -1
| llen k
| lindex k 0
| lpos k a
| sadd k a b
sadd k a | sadd k a
sadd k a | sadd k b
sadd k a b | srem k a
sadd k a | srem k a b
sadd k a | srem k z
sadd k a | spop k
sadd k a b | spop k 5
sadd k a b c | spop k 1
sadd k a b c | spop k 0
sadd k a b c d e f | spop k 2
sadd k a b c d e f | spop k 5
| spop k
| spop k 3
sadd k a b; sadd l c | smove k l a
sadd k a | smove k l a
sadd k a; sadd l a | smove k l a
sadd k a | smove k l z
sadd k a | smove k k a
sadd a 1 2; sadd b 2 3 | sinterstore k a b
sadd a 1; sadd b 2 | sinterstore k a b
sadd a 1; sadd b 2; set k 1 | sinterstore k a b
sadd a 1; set k 1 | sinterstore k a none
set k 1 | sinterstore k none
sadd a 1; sadd k 9 | sunionstore k a b
sadd k 9 | sunionstore k none
| sunionstore k none
sadd a 1 2 | sdiffstore k a b
sadd a 1 2; set k 1 | sdiffstore k a b
sadd a 1 2; set k 1 | sdiffstore k a a
sadd a 1 2; set k 1 | sdiffstore k none a
| smembers k
| scard k
| sismember k a
| smismember k a
| srandmember k
| srandmember k 2
| sinter k l
| sunion k l
| sdiff k l
| sintercard 2 k l
| hset k f 1
hset k f 1 | hset k f 1
| hmset k f 1
| hsetnx k f 1
hset k f 1 | hsetnx k f 2
| hincrby k f 1
hset k f 1 | hincrby k f 1
| hincrbyfloat k f 1.5
hset k f 1 | hincrbyfloat k f 1.5
hset k f 1 g 1 | hdel k f
hset k f 1 | hdel k f
hset k f 1 | hdel k z
| hget k f
| hgetall k
| hmget k f
| hlen k
| hexists k f
| hkeys k
| hvals k
| hstrlen k f
| hrandfield k
| zadd k 1 a
zadd k 1 a | zadd k 1 a
zadd k 1 a | zadd k 2 a
zadd k 1 a | zadd k xx 2 b
| zadd k incr 1 a
zadd k 1 a | zadd k nx incr 1 a
zadd k 1 a | zadd k 1 b 2 a
| zincrby k 1 a
zadd k 1 a | zincrby k 1 a
zadd k 1 a 2 b | zrem k a
zadd k 1 a | zrem k a
zadd k 1 a | zrem k z
zadd k 1 a 2 b | zpopmin k
zadd k 1 a | zpopmax k
zadd k 1 a 2 b | zpopmin k 5
zadd k 1 a 2 b | zpopmin k 0
| zpopmin k
zadd k 1 a 2 b | zmpop 2 l k min
zadd k 1 a | zmpop 1 k max count 3
zadd k 1 a 2 b | bzpopmin k 0
zadd k 1 a | bzpopmax k 0
zadd k 1 a 2 b | bzmpop 0 1 k min
zadd k 1 a 2 b | zremrangebyscore k 1 1
zadd k 1 a 2 b | zremrangebyscore k 0 9
zadd k 1 a 2 b | zremrangebyscore k 7 9
zadd k 1 a 2 b | zremrangebyrank k 0 0
zadd k 1 a 2 b | zremrangebyrank k 0 -1
zadd k 0 a 0 b | zremrangebylex k [a [a
zadd k 0 a 0 b | zremrangebylex k - +
zadd a 1 x; zadd b 2 x | zunionstore k 2 a b
zadd a 1 x; zadd b 2 y | zinterstore k 2 a b
zadd a 1 x; zadd b 2 y; set k 1 | zinterstore k 2 a b
zadd a 1 x; zadd b 2 x | zinterstore k 2 a b
zadd a 1 x; zadd b 2 y | zdiffstore k 2 a b
| zdiffstore k 1 a
zadd k 1 x | zunionstore k 1 none
set k 1; zadd a 1 x | zinterstore k 2 none a
zadd a 1 x 2 y | zrangestore k a 0 -1
zadd a 1 x 2 y | zrangestore k a 5 9
zadd a 1 x 2 y; set k 1 | zrangestore k a 5 9
zadd a 1 x 2 y; set k 1 | zrangestore k a 0 9
set k 1 | zrangestore k none 0 9
| zscore k a
| zrank k a
| zrange k 0 -1
| zcard k
| zcount k 0 1
| zmscore k a
| zrandmember k
| zunion 2 k l
| zinter 2 k l
| zdiff 2 k l
| zintercard 2 k l
| geoadd k 1 1 a
geoadd k 1 1 a | geoadd k 1 1 a
geoadd k 1 1 a | geoadd k ch 2 2 a
geoadd k 1 1 a | geosearchstore l k fromlonlat 1 1 byradius 10 km
geoadd k 1 1 a | geosearchstore l k fromlonlat 50 50 byradius 10 km
geoadd k 1 1 a; set l 1 | geosearchstore l k fromlonlat 50 50 byradius 10 km
geoadd k 1 1 a | georadius k 1 1 10 km store l
geoadd k 1 1 a; set l 1 | georadius k 50 50 10 km store l
geoadd k 1 1 a | georadiusbymember k a 10 km storedist l
| geosearchstore l k fromlonlat 1 1 byradius 10 km
set l 1 | geosearchstore l k fromlonlat 1 1 byradius 10 km
| geopos k a
| geodist k a b
| geohash k a
| pfadd k a
pfadd k a | pfadd k a
pfadd k a | pfadd k b
| pfadd k
| pfcount k
pfadd k a | pfcount k
pfadd k a; pfadd l b | pfmerge m k l
pfadd k a | pfmerge k k
| pfmerge m
| scan 0
| keys *
| randomkey
| dbsize
| dump k
set k 1 | set k 2 px 1
set k 1 px 1; debug sleep 0.01 | get k
set k 1 px 1; debug sleep 0.01 | exists k
set k 1 px 1; debug sleep 0.01 | del k
set k 1 px 1; debug sleep 0.01 | set k 2
set k 1 px 1; debug sleep 0.01 | setnx k 2
set k 1 px 1; debug sleep 0.01 | append k 2
set k 1 px 1; debug sleep 0.01 | incr k
set k 1 px 1; debug sleep 0.01 | expire k 100
set k 1 px 1; debug sleep 0.01 | persist k
set k 1 px 1; debug sleep 0.01 | rpush k a
set k 1 px 1; debug sleep 0.01 | sadd k a
set k 1 px 1; debug sleep 0.01 | hset k f 1
set k 1 px 1; debug sleep 0.01 | zadd k 1 a
set k 1 px 1; debug sleep 0.01 | touch k
set k 1 px 1; debug sleep 0.01 | type k
set k 1 px 1; debug sleep 0.01 | ttl k
set k 1 px 1; debug sleep 0.01 | object encoding k
set k 1 px 1; debug sleep 0.01 | getdel k
set k 1 px 1; debug sleep 0.01 | getset k 2
set k 1 px 1; debug sleep 0.01 | mget k k
set k 1 px 1; set l 1; debug sleep 0.01 | rename l k
set k 1 px 1; set l 1; debug sleep 0.01 | rename k l
set k 1 px 1; set l 1; debug sleep 0.01 | renamenx l k
set k 1 px 1; set l 1; debug sleep 0.01 | copy l k
set k 1 px 1; set l 1; debug sleep 0.01 | copy k l replace
set k 1 px 1; debug sleep 0.01 | move k 1
sadd k 1; pexpire k 1; sadd l 2; debug sleep 0.01 | sunionstore m k l
sadd k 1; pexpire k 1; sadd l 2; debug sleep 0.01 | sunionstore k l
set k 1 px 1; set l a; debug sleep 0.01 | bitop not k l
rpush k 1; pexpire k 1; debug sleep 0.01 | lpop k
rpush k 1; pexpire k 1; debug sleep 0.01 | lpushx k 2
rpush k 1; pexpire k 1; rpush l 1; debug sleep 0.01 | lmove l k left left
set k 1 px 1; debug sleep 0.01 | keys *
set k 1 px 1; debug sleep 0.01 | scan 0
set k 1 px 1; debug sleep 0.01 | randomkey
set k 1 px 1; debug sleep 0.01 | watch k
set k 1 px 1; debug sleep 0.01 | dump k
set k 1; multi; incr k; del k; get k | exec
multi; set k 1 px 1; debug sleep 0.01; get k; set k 2 | exec
""".strip().split("\n")


def split_line(line):
    """Words and quotes as in redis-cli, enough of them for what stands above."""
    words, word, quoted, i = [], None, False, 0
    while i < len(line):
        c = line[i]
        if quoted and c == "\\" and line[i + 1] == "x":
            word += bytes([int(line[i + 2:i + 4], 16)])
            i += 3
        elif c == '"':
            quoted = not quoted
            word = word or b""
        elif c == " " and not quoted:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or b"") + c.encode()
        i += 1
    return words + ([word] if word is not None else [])


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        self.depth = 0
        self.pushes = []  # of RESP3, each with how deep within a reply it stood

    def call(self, *words):
        request = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else word.encode()
            request += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(request)
        return self.read()

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b">":
            self.pushes.append((self.depth, self.read_items(int(rest))))
            return self.read()
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind in b"*~%":
            if rest == b"-1":
                return None
            return self.read_items(int(rest) * (2 if kind == b"%" else 1))
        return line

    def read_items(self, count):
        self.depth += 1
        items = [self.read() for _ in range(count)]
        self.depth -= 1
        return items

    def take_pushes(self):
        """Those in front of the last reply and those within it."""
        outside = sum(depth == 0 for depth, _ in self.pushes)
        within = len(self.pushes) - outside
        self.pushes = []
        return outside, within


def record(port):
    client, listener, marker = Client(port), Client(port), Client(port)
    client.call("config", "set", "notify-keyspace-events", "AEnm")
    client.call("debug", "set-active-expire", "0")
    listener.call("psubscribe", "__keyevent@*", "mark")
    listener.read()
    itself = Client(port)
    itself.call("hello", "3")
    itself.socket.sendall(b"psubscribe __keyevent@*\r\n")
    itself.call("ping")

    def events():
        marker.call("publish", "mark", "")
        told = []
        while True:
            _, _, channel, key = listener.read()
            if channel == b"mark":
                return ", ".join(told)
            db, event = channel.decode()[len("__keyevent@"):].split("__:")
            told.append(f"{db}:{event} {key.decode()}")

    def in_front(before, command):
        """How many of the events stand in front of the reply, to a client that hears of its own;
        -1 if some stand within it."""
        itself.call("select", "0")
        itself.call("flushall")
        for line in before.split("; "):
            if line:
                itself.call(*split_line(line))
        if "multi" not in before:
            itself.call("ping")  # what they told has come when this is answered
        itself.take_pushes()
        itself.call(*split_line(command))
        outside, within = itself.take_pushes()
        itself.call("unwatch")
        itself.take_pushes()
        return -1 if within else outside

    recorded = []
    for row in ROWS:
        before, command = (part.strip() for part in row.split("|"))
        client.call("select", "0")
        client.call("flushall")
        for line in before.split("; "):
            if line:
                client.call(*split_line(line))
        events()
        reply = client.call(*split_line(command))
        client.call("unwatch")
        recorded.append((before, command, events(), reply, in_front(before, command)))
    client.call("debug", "set-active-expire", "1")
    client.call("config", "set", "notify-keyspace-events", "")
    client.call("flushall")
    return recorded


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main():
    ports = [int(port) for port in sys.argv[1:]]
    if len(ports) not in (1, 2):
        sys.exit(__doc__)
    expected = record(ports[0])
    if len(ports) == 2:
        differences = 0
        for (before, command, events, reply, front), (_, _, other, other_reply, other_front) in zip(
                expected, record(ports[1])):
            if (events, front) != (other, other_front):
                differences += 1
                print(f"{before} | {command}\n    {front} of {events}   {reply}\n"
                      f"    {other_front} of {other}   {other_reply}")
        sys.exit(1 if differences else 0)
    print("// The keyspace events of Redis 7.0.15 (notify-keyspace-events AEnm), as\n"
          "// tests/record_keyspace_events.py writes them. Plain data for tests.\n"
          "#pragma once\n\n#include <string_view>\n\nnamespace respcask::server::testing {\n\n"
          "struct RedisEvents {\n"
          "  std::string_view before;   // commands that make the keys, between \"; \"\n"
          "  std::string_view command;  // the one whose events these are\n"
          "  std::string_view events;   // \"0:set k, 1:del l\": database, event, key\n"
          "  int in_front;              // so many stand in front of the reply to one who hears of "
          "his own;\n"
          "                             // -1: some stand within it\n"
          "};\n\n// clang-format off\ninline constexpr RedisEvents kRedisEvents[] = {")
    for before, command, events, _, front in expected:
        print(f"    {{{literal(before)}, {literal(command)},\n     {literal(events)}, {front}}},")
    print("};\n// clang-format on\n\n}  // namespace respcask::server::testing")


if __name__ == "__main__":
    main()
