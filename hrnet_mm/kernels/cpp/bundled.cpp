// The kernels that a wheel carries. They are linked with no OpenMP: each PyTorch brings its own
// under another name, and a second one in the process would have threads of its own. Python hands
// over the functions of PyTorch's.

// What GCC makes of the pragmas: result, name, parameters and arguments, as in GCC's libgomp_g.h.
#define OPENMP_FUNCTIONS(F)                                                                     \
  F(void, GOMP_parallel, (void (*work)(void*), void* data, unsigned threads, unsigned flags),   \
    (work, data, threads, flags))                                                               \
  F(void, GOMP_barrier, (), ())                                                                 \
  F(void, GOMP_loop_end, (), ())                                                                \
  F(void, GOMP_loop_end_nowait, (), ())                                                         \
  F(bool, GOMP_loop_dynamic_start,                                                              \
    (long start, long end, long step, long chunk, long* first, long* last),                     \
    (start, end, step, chunk, first, last))                                                     \
  F(bool, GOMP_loop_dynamic_next, (long* first, long* last), (first, last))                     \
  F(bool, GOMP_loop_nonmonotonic_dynamic_start,                                                 \
    (long start, long end, long step, long chunk, long* first, long* last),                     \
    (start, end, step, chunk, first, last))                                                     \
  F(bool, GOMP_loop_nonmonotonic_dynamic_next, (long* first, long* last), (first, last))        \
  F(int, omp_get_num_threads, (), ())                                                           \
  F(int, omp_get_thread_num, (), ())

enum {
#define INDEX(result, name, parameters, arguments) INDEX_##name,
  OPENMP_FUNCTIONS(INDEX) NUM_FUNCTIONS
};

static void* addresses[NUM_FUNCTIONS];

extern "C" {

// Hidden, so that the calls of the kernels come here, whatever else the process has loaded.
#define CALL(result, name, parameters, arguments)                           \
  __attribute__((visibility("hidden"))) result name parameters {            \
    return ((result(*) parameters)addresses[INDEX_##name])arguments;        \
  }
OPENMP_FUNCTIONS(CALL)

// The names of the functions, a space after each.
const char* openmp_functions() {
#define NAME(result, name, parameters, arguments) #name " "
  return OPENMP_FUNCTIONS(NAME);
}

// Where they are, in the same order. It must be called before any kernel.
void use_openmp(void* const* functions) {
  for (int k = 0; k < NUM_FUNCTIONS; k++) addresses[k] = functions[k];
}
}

#include "run.cpp"
