/*
 * Counts what a program copies between host and GPU, by taking the place of CUDA's copy functions:
 *
 *   cc -O2 -shared -fPIC -o copies.so copies.c -ldl
 *   LD_PRELOAD=./copies.so dotnet run -c Release --project tests/Edge.Benchmarks -- onnx LIBRARY cuda
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

enum { HOST_TO_DEVICE = 1, DEVICE_TO_HOST = 2 };

static long long copied[2];

/* Bytes to the GPU (direction 0) or from it (1) since the program began. */
long long edge_copied(int direction)
{
    return __atomic_load_n(&copied[direction], __ATOMIC_RELAXED);
}

static void count(size_t bytes, int kind)
{
    if (kind == HOST_TO_DEVICE || kind == DEVICE_TO_HOST) {
        __atomic_fetch_add(&copied[kind - 1], (long long)bytes, __ATOMIC_RELAXED);
    }
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        /* The library of CUDA was opened with names of its own. */
        void *library = dlopen("libcudart.so.13", RTLD_NOW | RTLD_NOLOAD);
        found = library == NULL ? NULL : dlsym(library, name);
    }
    return found;
}

int cudaMemcpy(void *to, const void *from, size_t bytes, int kind)
{
    static int (*real)(void *, const void *, size_t, int);
    if (real == NULL) {
        real = (int (*)(void *, const void *, size_t, int))next("cudaMemcpy");
    }
    count(bytes, kind);
    return real(to, from, bytes, kind);
}

int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream)
{
    static int (*real)(void *, const void *, size_t, int, void *);
    if (real == NULL) {
        real = (int (*)(void *, const void *, size_t, int, void *))next("cudaMemcpyAsync");
    }
    count(bytes, kind);
    return real(to, from, bytes, kind, stream);
}
