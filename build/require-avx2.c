// Linked into programs compiled for x86-64-v3. Runs before .NET starts, which would abort without saying what to do.
typedef __SIZE_TYPE__ size_t;
extern long write(int file, const void *bytes, size_t count);
extern void _exit(int code) __attribute__((noreturn));

__attribute__((constructor(101))) static void require_avx2(void) {
  static const char sentence[] =
      "This processor has no AVX2, which this build needs. Build one that runs here: deploy/publish.sh linux-x64-v2 FOLDER.\n";
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma")) {
    return;
  }

  if (write(2, sentence, sizeof sentence - 1) < 0) {
    _exit(1);
  }

  _exit(1);
}
