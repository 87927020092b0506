#include "llmsize/core/result.hpp"

namespace llmsize {

const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
      return "usage";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::unreadable:
      return "unreadable";
    case ErrorCode::malformed:
      return "malformed";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::refused_by_engine:
      return "refused_by_engine";
    case ErrorCode::overflow:
      return "overflow";
    case ErrorCode::write_failed:
      return "write_failed";
    case ErrorCode::does_not_fit:
      return "does_not_fit";
    case ErrorCode::network:
      return "network";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

}  // namespace llmsize
