#include "server/crash_log.h"

#include <execinfo.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>

#include "server/config/startup.h"

namespace respcask::server {
namespace {

constexpr std::array kFatalSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kStackBytes = 64 * 1024;
constexpr int kFrames = 64;

std::array<char, 4096> log_path;  // "": standard output
std::array<char, 128> version;

// What the handlers of this file stand in place of; nothing while they are not installed.
struct Former {
  std::array<struct sigaction, kFatalSignals.size()> actions{};
  std::terminate_handler terminate = nullptr;
};
std::optional<Former> former;

template <size_t N>
void keep(std::array<char, N>& to, const std::string& text) {
  if (text.size() < N) std::memcpy(to.data(), text.c_str(), text.size() + 1);
}

// Writes without allocating.
class Report {
 public:
  explicit Report(int fd) : fd_(fd) {}
  int fd() const { return fd_; }

  Report& text(const char* words) {
    [[maybe_unused]] const ssize_t written = ::write(fd_, words, std::strlen(words));
    return *this;
  }
  Report& hex(uintptr_t value) {
    text("0x");
    return digits(value, 16);
  }
  Report& number(uintptr_t value) { return digits(value, 10); }

 private:
  Report& digits(uintptr_t value, unsigned base) {
    std::array<char, 24> out{};
    size_t at = out.size() - 1;
    do {
      out[--at] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    return text(&out[at]);
  }

  const int fd_;
};

const char* signal_name(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGFPE:
      return "SIGFPE";
    case SIGILL:
      return "SIGILL";
    default:
      return "SIGABRT";
  }
}

#if defined(__x86_64__)
struct NamedRegister {
  const char* name;
  int index;
};
constexpr NamedRegister kRegisters[] = {
    {"RIP", REG_RIP}, {"RSP", REG_RSP}, {"RBP", REG_RBP}, {"RAX", REG_RAX}, {"RBX", REG_RBX},
    {"RCX", REG_RCX}, {"RDX", REG_RDX}, {"RSI", REG_RSI}, {"RDI", REG_RDI}, {"R8 ", REG_R8},
    {"R9 ", REG_R9},  {"R10", REG_R10}, {"R11", REG_R11}, {"R12", REG_R12}, {"R13", REG_R13},
    {"R14", REG_R14}, {"R15", REG_R15}, {"EFL", REG_EFL},
};

void write_registers(Report& report, const ucontext_t& context) {
  report.text("Registers:");
  int shown = 0;
  for (const auto& [name, index] : kRegisters) {
    report.text(shown++ % 4 == 0 ? "\n  " : "  ").text(name).text(":");
    report.hex(static_cast<uintptr_t>(context.uc_mcontext.gregs[index]));
  }
  report.text("\n");
}
#elif defined(__aarch64__)
void write_registers(Report& report, const ucontext_t& context) {
  report.text("Registers:\n  PC:").hex(context.uc_mcontext.pc);
  report.text("  SP:").hex(context.uc_mcontext.sp);
  for (unsigned i = 0; i < 31; ++i) {
    report.text(i % 4 == 0 ? "\n  X" : "  X").number(i).text(":");
    report.hex(context.uc_mcontext.regs[i]);
  }
  report.text("\n");
}
#else
void write_registers(Report&, const ucontext_t&) {}
#endif

int open_log() {
  if (log_path[0] == '\0') return STDOUT_FILENO;
  const int fd = ::open(log_path.data(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  return fd >= 0 ? fd : STDERR_FILENO;
}

// backtrace() was called once before, so that it has nothing left to load.
void on_crash(int signal, siginfo_t* info, void* context) {
  Report report(open_log());
  report.text("\n=== RESPCASK BUG REPORT START: Cut & paste starting from here ===\n");
  report.text(version.data()).text(" crashed by signal: ").text(signal_name(signal));
  report.text(", si_code: ").number(static_cast<uintptr_t>(info->si_code < 0 ? 0 : info->si_code));
  report.text(", pid: ").number(static_cast<uintptr_t>(::getpid()));
  std::array<char, 16> thread{};
  ::prctl(PR_GET_NAME, thread.data());
  report.text(", thread: ").text(thread.data()).text("\n");
  if (info->si_code <= 0) {
    report.text("Sent by process ").number(static_cast<uintptr_t>(info->si_pid)).text("\n");
  } else if (signal == SIGSEGV || signal == SIGBUS) {
    report.text("Accessing address: ").hex(reinterpret_cast<uintptr_t>(info->si_addr)).text("\n");
  }
  report.text("Last command of the thread: ");
  report.text(crash_command != nullptr ? crash_command : "none").text("\n");
  write_registers(report, *static_cast<const ucontext_t*>(context));
  report.text("Backtrace:\n");
  std::array<void*, kFrames> frames;
  backtrace_symbols_fd(frames.data(), backtrace(frames.data(), kFrames), report.fd());
  report.text("=== RESPCASK BUG REPORT END ===\n");
  ::raise(signal);  // SA_RESETHAND: now for good
}

// The standard library's own words go to standard error, which a daemon does not have.
[[noreturn]] void on_terminate() {
  Report report(open_log());
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    report.text("\nOut of memory: the server ends here. What was acknowledged is in its files.\n");
  } catch (const std::exception& error) {
    report.text("\nNobody caught: ").text(error.what()).text("\n");
  } catch (...) {
  }
  std::abort();
}

}  // namespace

CrashStack::CrashStack() : bytes_(new std::byte[kStackBytes]) {
  stack_t stack{};
  stack.ss_sp = bytes_.get();
  stack.ss_size = kStackBytes;
  sigaltstack(&stack, nullptr);
}

CrashStack::~CrashStack() {
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
}

void prepare_crash_log(const std::string& logfile) {
  keep(log_path, logfile);
  keep(version, version_text());
  std::array<void*, 1> frame;
  backtrace(frame.data(), 1);
}

void log_crashes(bool wanted) {
  if (wanted == former.has_value()) return;
  if (!wanted) {
    for (size_t i = 0; i < kFatalSignals.size(); ++i) {
      sigaction(kFatalSignals[i], &former->actions[i], nullptr);
    }
    std::set_terminate(former->terminate);
    former.reset();
    return;
  }
  former.emplace();
  former->terminate = std::set_terminate(on_terminate);
  struct sigaction action {};
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | static_cast<int>(SA_RESETHAND) | SA_NODEFER;
  for (size_t i = 0; i < kFatalSignals.size(); ++i) {
    sigaction(kFatalSignals[i], &action, &former->actions[i]);
  }
}

}  // namespace respcask::server
