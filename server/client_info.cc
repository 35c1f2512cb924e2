#include "server/client_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "server/acl/user.h"
#include "server/command_table.h"
#include "server/session.h"
#include "server/tracking.h"
#include "server/transaction.h"

namespace respcask::server {
namespace {

// Letters as Redis lists them. The session's mutex is held.
std::string flags_of(const Session& session) {
  std::string flags;
  if (session.monitor) flags += 'O';
  if (session.subscribed()) flags += 'P';
  if (session.queued_commands >= 0) flags += 'x';
  if (session.blocked_shown) flags += 'b';
  const uint32_t tracking = session.tracking;
  if ((tracking & kTracks) != 0) flags += 't';
  if ((tracking & kTracksBrokenRedirect) != 0) flags += 'R';
  if ((tracking & kTracksBroadcast) != 0) flags += 'B';
  if (is_undone(session)) flags += 'd';
  if (session.close_after_reply) flags += 'c';
  if (session.peer.unix_socket) flags += 'U';
  if (session.no_evict) flags += 'e';
  if (flags.empty()) flags += 'N';
  return flags;
}

// -1: does not track.
int64_t tracking_redirect(const Session& session) {
  const bool tracks = (session.tracking & kTracks) != 0;
  return tracks ? static_cast<int64_t>(session.tracking_redirect.get()) : -1;
}

int64_t seconds_between(int64_t from_ms, int64_t to_ms) {
  return std::max<int64_t>(to_ms - from_ms, 0) / 1000;
}

}  // namespace

size_t client_memory(const Session& session) {
  constexpr size_t kConnectionBytes = 1024;  // beside the session and its buffers
  // Of a watched key, a channel, a prefix: its name and its entries in two tables.
  constexpr size_t kEntryBytes = 192;
  const size_t entries = size_t{session.watched_count} + session.channel_count +
                         session.pattern_count + session.shard_channel_count +
                         session.tracking_prefixes;
  // Of a queued command beside its arguments: its place in the queue, and two blocks of memory.
  constexpr size_t kQueuedBytes = 128;
  const size_t queued = static_cast<size_t>(std::max(session.queued_commands.get(), 0));
  const ClientBuffers buffers = session.carrier.buffers();
  return sizeof(Session) + kConnectionBytes + buffers.input_memory + buffers.output_memory +
         session.queued_bytes + queued * kQueuedBytes + entries * kEntryBytes;
}

std::string client_info(const Session& session, int64_t now_ms, size_t running) {
  const TableEntry* const command = session.last_command;
  const ClientBuffers buffers = session.carrier.buffers();
  std::lock_guard guard(session.mutex);
  // Replies are written into strings of the loop's, and what a client does not take at once is
  // queued: no client has a reply buffer of its own (rbs, rbp, obl).
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} "
      "multi={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp=0 obl=0 oll={} omem={} "
      "tot-mem={} events={} cmd={} user={} redir={} resp={}",
      session.id, session.peer.address, session.peer.local_address, session.peer.fd, session.name,
      seconds_between(session.created_ms, now_ms),
      seconds_between(
          session.last_active_ms.get() == 0 ? session.created_ms : session.last_active_ms.get(),
          now_ms),
      flags_of(session), session.db.get(), session.channel_count.get(), session.pattern_count.get(),
      session.shard_channel_count.get(), session.queued_commands.get(), buffers.input,
      buffers.input_free, buffers.arguments + running, session.queued_bytes.get(),
      buffers.output_parts, buffers.output_memory, client_memory(session),
      buffers.output > 0 ? "rw" : "r",
      command != nullptr ? std::string_view(command->full_name) : "NULL", session.user->name,
      tracking_redirect(session), session.protocol.get());
}

const OutputLimit& output_limit(const Config& config, const Session& session) {
  return config.output_limit(session.subscribed() ? ClientClass::kPubsub : ClientClass::kNormal);
}

}  // namespace respcask::server
