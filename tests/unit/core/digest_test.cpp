#include "llmsize/core/digest.hpp"

#include <catch2/catch.hpp>

using namespace llmsize;

TEST_CASE("digests are those of the standards' examples") {
  // FIPS 180-4's published examples: one block, two blocks, and nothing.
  CHECK(hexadecimal(sha256("abc"), 32) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hexadecimal(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), 32) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hexadecimal(sha256(""), 4) == "e3b0c442");
  // RFC 4231, test cases 2 and 6 (a key longer than a block).
  CHECK(hexadecimal(hmac_sha256("Jefe", "what do ya want for nothing?"), 32) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hexadecimal(
            hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
            32) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
