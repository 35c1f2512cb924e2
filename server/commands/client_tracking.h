// CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: a client that keeps copies of keys says so.
//
// Handlers and rows of their own file, listed among the subcommands in client.cc. Constants and
// plain functions; any thread.
#pragma once

#include "server/command.h"

namespace respcask::server {

void cmd_client_caching(Context& c);
void cmd_client_getredir(Context& c);
void cmd_client_tracking(Context& c);
void cmd_client_trackinginfo(Context& c);

inline constexpr Argument kClientCachingArgsMode[] = {
    {.name = "yes", .type = ArgType::kPureToken, .token = "YES"},
    {.name = "no", .type = ArgType::kPureToken, .token = "NO"},
};
inline constexpr Argument kClientCachingArgs[] = {
    {.name = "mode", .type = ArgType::kOneof, .sub = kClientCachingArgsMode},
};
inline constexpr Argument kClientTrackingArgsStatus[] = {
    {.name = "on", .type = ArgType::kPureToken, .token = "ON"},
    {.name = "off", .type = ArgType::kPureToken, .token = "OFF"},
};
inline constexpr Argument kClientTrackingArgs[] = {
    {.name = "status", .type = ArgType::kOneof, .sub = kClientTrackingArgsStatus},
    {.name = "client-id", .type = ArgType::kInteger, .token = "REDIRECT", .flags = kOptional},
    {.name = "prefix", .token = "PREFIX", .flags = kOptional | kMultiple | kMultipleToken},
    {.name = "bcast", .type = ArgType::kPureToken, .token = "BCAST", .flags = kOptional},
    {.name = "optin", .type = ArgType::kPureToken, .token = "OPTIN", .flags = kOptional},
    {.name = "optout", .type = ArgType::kPureToken, .token = "OPTOUT", .flags = kOptional},
    {.name = "noloop", .type = ArgType::kPureToken, .token = "NOLOOP", .flags = kOptional},
};

inline constexpr Command kClientCachingRow = {
    .name = "caching",
    .handler = cmd_client_caching,
    .arity = 3,
    .flags = kNoscript | kLoading | kStale,
    .group = Group::kConnection,
    .since = "6.0.0",
    .complexity = "O(1)",
    .summary = "Instruct the server about tracking or not keys in the next request",
    .arguments = kClientCachingArgs,
    .categories = kCatConnection};
inline constexpr Command kClientGetredirRow = {
    .name = "getredir",
    .handler = cmd_client_getredir,
    .arity = 2,
    .flags = kNoscript | kLoading | kStale,
    .group = Group::kConnection,
    .since = "6.0.0",
    .complexity = "O(1)",
    .summary = "Get tracking notifications redirection client ID if any",
    .categories = kCatConnection};
inline constexpr Command kClientTrackingRow = {
    .name = "tracking",
    .handler = cmd_client_tracking,
    .arity = -3,
    .flags = kNoscript | kLoading | kStale,
    .group = Group::kConnection,
    .since = "6.0.0",
    .complexity = "O(1). Some options may introduce additional complexity.",
    .summary = "Enable or disable server assisted client side caching support",
    .arguments = kClientTrackingArgs,
    .categories = kCatConnection};
inline constexpr Command kClientTrackinginfoRow = {
    .name = "trackinginfo",
    .handler = cmd_client_trackinginfo,
    .arity = 2,
    .flags = kNoscript | kLoading | kStale,
    .group = Group::kConnection,
    .since = "6.2.0",
    .complexity = "O(1)",
    .summary =
        "Return information about server assisted client side caching for the current connection",
    .categories = kCatConnection};

}  // namespace respcask::server
