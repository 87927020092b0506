#include "llmsize/io/process.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace llmsize::io {
namespace {

using Clock = std::chrono::steady_clock;

/// More than any list of devices; a program that prints on is stopped.
constexpr std::size_t most_output = std::size_t{1} << 20U;

/// What a started program reads and writes.
class Redirections {
 public:
  explicit Redirections(int output) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  ~Redirections() { ::posix_spawn_file_actions_destroy(&actions_); }
  Redirections(const Redirections&) = delete;
  Redirections& operator=(const Redirections&) = delete;
  [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// Everything until the program closes its output; false where it runs on or prints too much.
bool read_until(int descriptor, Clock::time_point deadline, std::string& output) {
  char chunk[4096];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0 || output.size() > most_output) return false;
    pollfd waiting{descriptor, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t got = ::read(descriptor, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    output.append(chunk, static_cast<std::size_t>(got));
  }
}

/// How the program ended; nothing where it closed its output and still runs at the deadline.
std::optional<int> status_of(pid_t child, Clock::time_point deadline) {
  constexpr auto pause = std::chrono::milliseconds(1);
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if ((ended < 0 && errno != EINTR) || Clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(pause);
  }
}

void stop(pid_t child) {
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::optional<std::string> ProcessEnvironment::variable(const std::string& name) const {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<CommandOutput> ProcessRunner::run(const std::vector<std::string>& arguments,
                                         double timeout_seconds) const {
  if (arguments.empty()) return fail(ErrorCode::not_found, "no program is named");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(ErrorCode::unsupported, "no pipe could be made");
  std::vector<char*> words;
  std::vector<std::string> copies = arguments;
  for (auto& word : copies) words.push_back(word.data());
  words.push_back(nullptr);
  pid_t child = 0;
  const Redirections redirections(ends[1]);
  const int error = ::posix_spawnp(&child, words.front(), redirections.get(), nullptr, words.data(), environ);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    return fail(ErrorCode::not_found, arguments.front() + " could not be started");
  }
  CommandOutput output;
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(timeout_seconds));
  const bool ended = read_until(ends[0], deadline, output.standard_output);
  ::close(ends[0]);
  const auto status = ended ? status_of(child, deadline) : std::nullopt;
  if (!status) {
    stop(child);
    return fail(ErrorCode::unsupported, arguments.front() + " took too long or printed too much");
  }
  constexpr int signalled = 128;  // As shells add to the signal's number.
  output.exit_status = WIFEXITED(*status) ? WEXITSTATUS(*status) : signalled + WTERMSIG(*status);
  return output;
}

}  // namespace llmsize::io
