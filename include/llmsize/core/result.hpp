#pragma once
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace llmsize {

/// What kind of thing went wrong; the machine-readable `code` of a JSON error (see `error_code_name`).
enum class ErrorCode {
  usage,              ///< The command line makes no sense: exit status 2.
  not_found,          ///< A file, model, quant or role by that name does not exist.
  unreadable,         ///< It exists but cannot be read (permission, directory, device).
  malformed,          ///< Outside bytes break their format's rules.
  unsupported,        ///< Well-formed, but llmsize does not know it and refuses to guess.
  refused_by_engine,  ///< The reference engine refuses this, so llmsize does too.
  overflow,           ///< A size does not fit 64 bits.
  write_failed,       ///< Output could not be written whole, so nothing was left behind.
  does_not_fit,       ///< The user's own budget is exceeded: exit status 3.
  network,            ///< A remote name was given and the transfer failed.
  internal            ///< A bug in llmsize.
};

/// An error names the thing and the cause in `message`, and the remedy in `hint` (may be empty).
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  std::string hint;
};

template <class T>
using Result = tl::expected<T, Error>;

/// Shorthand for returning an error from a function that returns a Result.
inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint)});
}

/// The stable lower-case name that JSON errors carry, for example "not_found".
const char* error_code_name(ErrorCode code);

}  // namespace llmsize
