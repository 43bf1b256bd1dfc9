/* peak FILE PROGRAM ARGUMENT...: runs the program and writes the most memory that
   it had resident, in bytes, to FILE. A process starts with the peak of the one
   that it was forked from, so this has to be a small one. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __APPLE__
#define UNIT 1L
#else
#define UNIT 1024L
#endif

int main(int argc, char **argv) {
    struct rusage usage;
    FILE *file;
    int status;
    pid_t child;
    if (argc < 3) return 2;
    child = fork();
    if (child == 0) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child) return 1;
    file = fopen(argv[1], "w");
    if (!file || fprintf(file, "%ld\n", usage.ru_maxrss * UNIT) < 0 || fclose(file)) return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
