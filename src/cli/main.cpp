#include <cstdio>

int main() {
  std::puts("llmsize");
  return 0;
}
